//! Recognising an interrupt in an error that has been through other hands.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use crate::calls::net::ConnectError;
use crate::task::node;
use crate::{Error, Interrupted, Partial};

impl Interrupted {
    /// The interrupt in an error, wherever it stands in the chain of
    /// [`source`](std::error::Error::source)s: as itself, or inside an [`Error`], a
    /// [`Partial`] or an [`io::Error`].
    ///
    /// A plain call that was cut short ([`reach`](crate::reach())) says ECANCELED or EINTR and no more. On
    /// that thread, in the same task and while the cause stands, those are taken for the interrupt
    /// too: a heuristic, since another's look the same. The requester has
    /// [`raised`](crate::Interrupter::raised).
    ///
    /// Any error is taken as it is, boxed or not, and one of anyhow's.
    ///
    /// ```
    /// # use eintr::Interrupted;
    /// let nobody = std::io::Error::other("disk full");
    /// assert!(Interrupted::of(&nobody).is_none());
    ///
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = "disk full".into();
    /// assert!(Interrupted::of(&boxed).is_none());
    /// ```
    pub fn of<const WAY: u8>(error: &(impl AnyError<WAY> + ?Sized)) -> Option<Interrupted> {
        Self::in_chain(error.as_error())
    }

    fn in_chain(error: &(dyn StdError + 'static)) -> Option<Interrupted> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
                return Some(interrupted.clone());
            }
            if is_refusal(error) {
                return node::refused_for();
            }
            next = wrapped(error).or_else(|| error.source());
        }
        None
    }
}

/// What [`Interrupted::of`] looks into: an error, a box with one, or what hands one out by `AsRef` and is none
/// itself, as `anyhow::Error`. The number tells these apart, and is found by the compiler.
pub trait AnyError<const WAY: u8> {
    /// The outermost of the chain.
    fn as_error(&self) -> &(dyn StdError + 'static);
}

const ITSELF: u8 = 0;
const BY_REFERENCE: u8 = 1;
const OBJECT: u8 = 2;
const BOXED: u8 = 3;

impl<E: StdError + 'static> AnyError<ITSELF> for E {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

impl<E: AsRef<dyn StdError + 'static>> AnyError<BY_REFERENCE> for E {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        self.as_ref()
    }
}

macro_rules! any_error {
    ($($way:ident $error:ty => |$this:ident| $inner:expr;)*) => {$(
        impl AnyError<$way> for $error {
            fn as_error(&self) -> &(dyn StdError + 'static) {
                let $this = self;
                $inner
            }
        }
    )*};
}

any_error! {
    OBJECT dyn StdError => |error| error;
    OBJECT dyn StdError + Send => |error| error;
    OBJECT dyn StdError + Sync => |error| error;
    OBJECT dyn StdError + Send + Sync => |error| error;
    BOXED Box<dyn StdError + Send> => |error| &**error;
    BOXED Box<dyn StdError + Send + Sync> => |error| &**error;
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match Interrupted::of(&error) {
            Some(interrupted) => Error::Interrupted(interrupted),
            None => Error::Io(error),
        }
    }
}

fn is_refusal(error: &(dyn StdError + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| matches!(error.raw_os_error(), Some(libc::ECANCELED | libc::EINTR)))
}

/// The error directly inside one that gives its inner error's `source` as its own.
fn wrapped<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    macro_rules! boxed {
        ($($boxed:ty)*) => {$(
            if let Some(error) = error.downcast_ref::<$boxed>() {
                return Some(&**error);
            }
        )*};
    }
    boxed!(Box<Interrupted> Arc<Interrupted> Box<Error> Arc<Error> Box<io::Error> Arc<io::Error>);
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().map(|inner| inner as &(dyn StdError + 'static));
    }
    if let Some(partial) = error.downcast_ref::<Partial>() {
        return Some(&partial.error);
    }
    if let Some(stopped) = error.downcast_ref::<ConnectError>() {
        return Some(&stopped.error);
    }
    match error.downcast_ref::<Error>()? {
        Error::Interrupted(interrupted) => Some(interrupted),
        Error::Io(error) => Some(error),
    }
}
