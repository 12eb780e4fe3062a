//! Values that are lent for as long as a scope of std's lasts.
//!
//! `std::thread::scope` hands out a `&'scope Scope`, so that the scope's threads can use it too.
//! Ours is a value with that reference in it. It can be made only inside of std's scope, and has to
//! be lent for the whole of it, while the function that makes it returns before: its threads go on
//! until std has joined them. So it is put on the heap, and freed after std's scope has ended.
//!
//! (Rejected: handing it out by value, as a copy. Then `s.spawn(|| s.spawn(..))`, which std allows,
//! would need a `move` to compile. And leaking it, which would be safe.)
//!
//! # Safety
//!
//! `'scope` is over once `std::thread::scope` has returned or panicked: nothing that is borrowed
//! for it is used after that. Then the values are freed. What has a destructor must be good for
//! `'env`, which lasts longer than the call of [`scope`], so its destructor finds nothing that has
//! gone.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::thread;

/// Keeps values for as long as a scope lasts.
pub(crate) struct Keep<'scope, 'env: 'scope> {
    kept: NonNull<Kept>,
    // Neither may be stretched or shrunk, as std's.
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

/// The values, in the order of their making.
#[derive(Default)]
struct Kept(RefCell<Vec<Value>>);

/// A value on the heap, and how to free it.
struct Value {
    address: NonNull<()>,
    free: unsafe fn(NonNull<()>),
}

/// Runs `f` in a scope of std's.
#[track_caller]
pub(crate) fn scope<'env, T>(
    f: impl for<'scope> FnOnce(&'scope thread::Scope<'scope, 'env>, Keep<'scope, 'env>) -> T,
) -> T {
    // Outlives std's scope, also if that panics.
    let kept = Kept::default();
    let kept = &kept;
    thread::scope(|scope| {
        f(scope, Keep { kept: NonNull::from(kept), _scope: PhantomData, _env: PhantomData })
    })
}

impl<'scope, 'env> Keep<'scope, 'env> {
    /// Keeps a value that outlives the scope.
    pub(crate) fn outer<V: 'env>(&self, value: V) -> &'scope V {
        self.keep(value)
    }

    /// Keeps a value that is borrowed from the scope, and has no destructor.
    pub(crate) fn inner<V: Copy + 'scope>(&self, value: V) -> &'scope V {
        self.keep(value)
    }

    fn keep<V: 'scope>(&self, value: V) -> &'scope V {
        /// # Safety
        ///
        /// A value of that type, on the heap, that nobody uses any more.
        unsafe fn free<V>(value: NonNull<()>) {
            // SAFETY: the caller's promise.
            drop(unsafe { Box::from_raw(value.cast::<V>().as_ptr()) });
        }
        let value = NonNull::from(Box::leak(Box::new(value)));
        // SAFETY: a `Keep` does not leave the closure that it is given to: its lifetime says so. So
        // `kept` is there.
        let kept = unsafe { self.kept.as_ref() };
        kept.0.borrow_mut().push(Value { address: value.cast(), free: free::<V> });
        // SAFETY: it is freed after `'scope` only, see the module.
        unsafe { value.as_ref() }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The last first: they may borrow from each other.
        for value in self.0.get_mut().drain(..).rev() {
            // SAFETY: `free` is for its type. The scope is over, so nobody uses it.
            unsafe { (value.free)(value.address) };
        }
    }
}
