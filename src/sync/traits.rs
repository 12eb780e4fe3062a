//! The traits that std's locks and their guards have.

/// A lock, and the attempt at it by which it shows its value. A panic of whoever writes poisons it,
/// so what is half done is not taken for whole.
macro_rules! lock_traits {
    ($lock:ident, $try_lock:ident) => {
        impl<T: ?Sized> std::panic::UnwindSafe for $lock<T> {}
        impl<T: ?Sized> std::panic::RefUnwindSafe for $lock<T> {}

        impl<T> From<T> for $lock<T> {
            fn from(value: T) -> Self {
                Self::new(value)
            }
        }

        impl<T: Default> Default for $lock<T> {
            fn default() -> Self {
                Self::new(T::default())
            }
        }

        impl<T: ?Sized + std::fmt::Debug> std::fmt::Debug for $lock<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                use std::sync::TryLockError::{Poisoned, WouldBlock};
                let mut shown = f.debug_struct(stringify!($lock));
                match self.$try_lock() {
                    Ok(guard) => shown.field("data", &&*guard),
                    Err(Poisoned(poisoned)) => shown.field("data", &&**poisoned.get_ref()),
                    Err(WouldBlock) => shown.field("data", &format_args!("<locked>")),
                };
                shown.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
            }
        }
    };
}

/// Guards, which are shown as their value is.
macro_rules! guard_traits {
    ($($guard:ident)*) => {$(
        impl<T: ?Sized> std::ops::Deref for $guard<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                &self.inner
            }
        }

        impl<T: ?Sized + std::fmt::Debug> std::fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + std::fmt::Display> std::fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}

/// Types that show nothing of what is in them.
macro_rules! opaque {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

pub(super) use {guard_traits, lock_traits, opaque};
