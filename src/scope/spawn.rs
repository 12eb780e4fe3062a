//! [`Scope`], [`TryScope`]: what spawns the threads of a scope.

use std::sync::{Mutex, PoisonError};
use std::thread as std_thread;
use std::{fmt, io};

use super::{OnPanic, ScopedJoinHandle, Shared};
use crate::group::members::Asked;
use crate::task::node::Nesting;
use crate::{Builder, Interrupted, Interrupter, Request};

/// What a [`scope`](crate::scope())'s body and threads spawn others with.
#[derive(Clone, Copy)]
pub struct Scope<'scope, 'env: 'scope> {
    pub(super) std: &'scope std_thread::Scope<'scope, 'env>,
    pub(super) shared: &'scope Shared,
}

/// What a [`try_scope`](crate::try_scope())'s body and threads spawn others with.
pub struct TryScope<'scope, 'env: 'scope, E> {
    pub(super) scope: &'scope Scope<'scope, 'env>,
    pub(super) errors: &'scope Mutex<Vec<E>>,
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a thread of the scope. Its body is a task of its own inside of the scope's.
    ///
    /// # Panics
    ///
    /// If the system cannot create a thread; [`spawn_with`](Self::spawn_with) returns that as an
    /// error.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(Builder::new(), f).expect("failed to spawn thread")
    }

    /// Spawns a thread of the scope that is like the builder says. (Its plain calls are not reached
    /// if the builder says so, nor if those of the scope's caller are not.)
    ///
    /// # Errors
    ///
    /// If the system cannot create a thread.
    ///
    /// # Panics
    ///
    /// If the thread's name contains a null byte, as std's.
    #[track_caller]
    pub fn spawn_with<F, T>(
        &'scope self,
        builder: Builder,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let shared = self.shared;
        let task = builder.task(Nesting::Task(shared.node.id()));
        let interrupter = task.interrupter();
        let reach = shared.reach;
        let task = if reach { task } else { task.reach(false) };
        let body = move || shared.inheritance.run(reach, Some(task), f);
        let thread = builder.into_std().spawn_scoped(self.std, body)?;
        Ok(ScopedJoinHandle { thread, interrupter })
    }

    /// The interrupter of the whole scope: of its body and of all its threads, also of those to
    /// come. It is finished when all of them have ended.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(Asked::Task(self.shared.node.clone()))
    }

    /// Asks the whole scope to stop. See [`Interrupter::interrupt`].
    pub fn interrupt(&self) -> Request {
        self.interrupter().interrupt()
    }
}

impl<'scope, E: Send> TryScope<'scope, '_, E> {
    /// Spawns a thread of the scope. Its error interrupts the others.
    ///
    /// # Panics
    ///
    /// If the system cannot create a thread; [`spawn_with`](Self::spawn_with) returns that as an
    /// error.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, Result<T, Interrupted>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(Builder::new(), f).expect("failed to spawn thread")
    }

    /// Spawns a thread of the scope that is like the builder says. See [`Scope::spawn_with`].
    ///
    /// # Errors
    ///
    /// If the system cannot create a thread.
    ///
    /// # Panics
    ///
    /// If the thread's name contains a null byte, as std's.
    #[track_caller]
    pub fn spawn_with<F, T>(
        &'scope self,
        builder: Builder,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, Result<T, Interrupted>>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.scope.spawn_with(builder, move || {
            let _guard = OnPanic(self.scope.shared);
            f().map_err(|error| self.fail(error))
        })
    }

    /// The interrupter of the whole scope. See [`Scope::interrupter`].
    pub fn interrupter(&self) -> Interrupter {
        self.scope.interrupter()
    }

    /// Asks the whole scope to stop. See [`Interrupter::interrupt`].
    pub fn interrupt(&self) -> Request {
        self.scope.interrupt()
    }

    /// Leaves an error.
    pub(super) fn fail(&self, error: E) -> Interrupted {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        self.scope.shared.stop()
    }
}

impl<E> Clone for TryScope<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for TryScope<'_, '_, E> {}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("task", &self.shared.node.id()).finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for TryScope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScope")
            .field("task", &self.scope.shared.node.id())
            .finish_non_exhaustive()
    }
}
