//! Async code inside of a synchronous library's callback: the library runs as a blocking job, the callback is
//! `block_on`, and both end with the job.
//!
//!     cargo run -p eintr-tokio --example callback

use std::io;
use std::time::Duration;

use eintr::Error;
use eintr_tokio::{block_on, unblock};
use tokio::time::timeout;

/// The synchronous library: it wants each name resolved where it meets it.
fn expand(
    text: &str,
    mut resolve: impl FnMut(&str) -> Result<String, Error>,
) -> Result<String, Error> {
    let word = |word: &str| match word.strip_prefix('$') {
        Some(name) => resolve(name),
        None => Ok(word.to_owned()),
    };
    Ok(text.split(' ').map(word).collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// The asynchronous one.
async fn look_up(name: &str) -> io::Result<String> {
    match name {
        "user" => Ok("Ada".to_owned()),
        // A server that never answers.
        "weather" => std::future::pending().await,
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn job(text: &'static str) -> impl FnOnce() -> Result<String, Error> + Send {
    // `?` the interrupt, then what the future gave.
    move || expand(text, |name| Ok(block_on(look_up(name))??))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let greeting = unblock(job("Hello $user")).await??;
    println!("{greeting}");
    assert_eq!(greeting, "Hello Ada");

    let forecast = unblock(job("Hello $user $weather"));
    let late = timeout(Duration::from_millis(50), forecast).await;
    assert!(late.is_err());
    println!("no forecast; and the thread is free again");
    Ok(())
}

#[test]
fn a_future_in_a_callback_ends_with_its_job() {
    test_support::watched("callback", main).unwrap();
}
