//! A neighbour that needs no program of its own: MODE MILLISECONDS NAME [ARGUMENT].

use eintr_company::{Company, forks, wrong};

mod dispatch;

fn main() {
    let company = Company::from_arguments();
    match company.arguments.first().map_or("", String::as_str) {
        "dispatch" => dispatch::run(&company),
        "forks" => forks::run(&company),
        name => wrong(format!("no such neighbour: {name:?}")),
    }
}
