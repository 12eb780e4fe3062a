//! A neighbour that needs no program of its own: MODE MILLISECONDS NAME [ARGUMENT ...].

use eintr_company::{Company, forks, wrong};

mod alternate_stack;
mod children;
mod coroutines;
#[cfg(target_arch = "x86_64")]
mod dispatch;
mod limits;
mod locks;
mod may;
mod reader;
mod sandbox;
mod signals;

fn main() {
    let company = Company::from_arguments();
    let argument = |index| company.arguments.get(index).map_or("", String::as_str);
    match argument(0) {
        "alternate-stack" => alternate_stack::run(&company, argument(1)),
        "children" => children::run(&company, argument(1)),
        "coroutines" => coroutines::run(&company, argument(1)),
        #[cfg(target_arch = "x86_64")]
        "dispatch" => dispatch::run(&company, argument(1)),
        "forks" => forks::run(&company),
        "limits" => limits::run(&company, argument(1)),
        "locks" => locks::run(&company, argument(1)),
        "sandbox" => sandbox::run(&company, argument(1), argument(2), argument(3) == "before"),
        "may" => may::run(&company, argument(1)),
        "signals" => signals::run(&company, argument(1)),
        name => wrong(format!("no such neighbour: {name:?}")),
    }
}
