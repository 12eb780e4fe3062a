//! Are others' calls reached, as the table says, and is nothing else?
//!
//! By dispatch and in the second-best way; whatever handlers, stacks, masks and filters the program
//! has of its own.

mod alternate_stack;
mod answers;
mod cut_short;
mod each_answer;
mod futexes;
mod handler_is_plain;
mod nested_handlers;
mod others_dispatch;
mod plain_calls;
mod reach;
mod reach_events;
mod reach_life;
mod reach_rules;
mod reach_sigsys;
mod sigsys;
mod unharmed;
