//! Sets of the kernel's flags, as types of our own.

/// Defines a set of flags whose `Debug` names them.
macro_rules! flags {
    (
        $(#[$doc:meta])*
        pub struct $name:ident($bits:ty) {
            $($(#[$flag_doc:meta])* $flag:ident = $value:expr,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name($bits);

        impl $name {
            $($(#[$flag_doc])* pub const $flag: Self = Self($value as $bits);)*

            /// No flag.
            pub const fn empty() -> Self {
                Self(0)
            }

            /// The flags with those bits, be they known here or not.
            pub const fn from_bits(bits: $bits) -> Self {
                Self(bits)
            }

            /// The kernel's bits.
            pub const fn bits(self) -> $bits {
                self.0
            }

            /// Whether no flag is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether all those flags are set.
            pub const fn contains(self, flags: Self) -> bool {
                self.0 & flags.0 == flags.0
            }

            /// Whether any of those flags is set.
            pub const fn intersects(self, flags: Self) -> bool {
                self.0 & flags.0 != 0
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, flags: Self) -> Self {
                Self(self.0 | flags.0)
            }
        }

        impl std::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, flags: Self) {
                self.0 |= flags.0;
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut rest = self.0;
                let mut names = Vec::new();
                $(if self.contains(Self::$flag) {
                    rest &= !Self::$flag.0;
                    names.push(stringify!($flag).to_owned());
                })*
                if rest != 0 || names.is_empty() {
                    names.push(format!("{rest:#x}"));
                }
                write!(f, concat!(stringify!($name), "({})"), names.join(" | "))
            }
        }
    };
}

pub(super) use flags;
