//! In the place of stacks, where the feature is off: nobody is disturbed.

use std::sync::Arc;

use super::task::Report;
use crate::group::members::Asked;
use crate::task::node::Node;

pub(super) struct Dump;

impl Dump {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn look(&mut self, task: &Arc<Node>) -> Report {
        Report::of(&Asked::Task(task.clone()))
    }

    pub(super) fn end<'a>(self, _reports: impl Iterator<Item = &'a mut Report>) {}
}
