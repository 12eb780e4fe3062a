//! A member's panic.

use std::fmt;

/// A member of a [`Group`](crate::Group) that has panicked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Panicked {
    /// The task's number, unique in the process.
    pub task: u64,
    /// The task's name.
    pub name: Option<String>,
    /// What it panicked with, if that is a text.
    pub message: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} panicked: {}", self.message),
            None => write!(f, "task {} panicked: {}", self.task, self.message),
        }
    }
}
