//! Sets of flags that the kernel takes, each a small type of its own.

/// Makes a set of flags: an integer with names.
macro_rules! flags {
    ($(#[$of_set:meta])* $set:ident { $($(#[$of_flag:meta])* $flag:ident = $value:expr;)* }) => {
        $(#[$of_set])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set(libc::c_int);

        impl $set {
            $($(#[$of_flag])* pub const $flag: Self = Self($value as libc::c_int);)*

            /// No flag.
            pub const fn empty() -> Self {
                Self(0)
            }

            /// Whether all of these flags are set.
            pub const fn contains(self, flags: Self) -> bool {
                self.0 & flags.0 == flags.0
            }

            pub(crate) const fn bits(self) -> libc::c_int {
                self.0
            }
        }

        impl std::ops::BitOr for $set {
            type Output = Self;

            fn bitor(self, flags: Self) -> Self {
                Self(self.0 | flags.0)
            }
        }

        impl std::ops::BitOrAssign for $set {
            fn bitor_assign(&mut self, flags: Self) {
                *self = *self | flags;
            }
        }
    };
}

pub(crate) use flags;
