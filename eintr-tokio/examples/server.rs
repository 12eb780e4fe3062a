//! A blocking job for each request, in axum. A client that goes away ends its job: hyper drops the handler's future,
//! and with it `unblock`'s.
//!
//!     cargo run -p eintr-tokio --example server

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;

/// A synchronous client of a database's, as there are many. This one answers `now`, and nothing else.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(database: SocketAddr) -> io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(database)?)))
    }

    fn ask(&mut self, question: &str) -> io::Result<String> {
        writeln!(self.0.get_ref(), "{question}")?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        Ok(answer)
    }
}

fn serve_database(listener: TcpListener) -> io::Result<()> {
    for connection in listener.incoming() {
        let connection = connection?;
        thread::spawn(move || {
            for question in BufReader::new(&connection).lines().map_while(Result::ok) {
                if question == "now" {
                    writeln!(&connection, "answered")?;
                }
            }
            io::Result::Ok(())
        });
    }
    Ok(())
}

#[derive(Clone)]
struct App {
    database: SocketAddr,
    /// What becomes of each job.
    log: mpsc::Sender<String>,
}

async fn query(
    State(App { database, log }): State<App>,
    Path(question): Path<String>,
) -> Result<String, StatusCode> {
    let job = move || {
        let _ = log.send(format!("begins: {question}"));
        let answer = Client::connect(database).and_then(|mut client| client.ask(&question));
        let _ = log.send(match &answer {
            Ok(answer) => format!("ends: {answer}"),
            Err(error) => format!("ends: {error}"),
        });
        answer
    };
    match eintr_tokio::unblock(job).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(StatusCode::BAD_GATEWAY),
    }
}

fn request(server: SocketAddr, question: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server)?;
    write!(stream, "GET /{question} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let database = TcpListener::bind("127.0.0.1:0")?;
    let (log, logged) = mpsc::channel();
    let app = App { database: database.local_addr()?, log };
    thread::spawn(move || serve_database(database));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    let app = Router::new().route("/{question}", get(query)).with_state(app);
    tokio::spawn(async move { axum::serve(listener, app).await });

    let clients = move || -> io::Result<()> {
        let next = || logged.recv().expect("the server goes on");
        // The database will never answer, and the client does not wait for it.
        let gone = request(server, "never")?;
        println!("{}", next());
        drop(gone);
        let ended = next();
        println!("{ended}");
        assert!(ended.contains("ECANCELED") || ended.contains("canceled"), "{ended}");

        let answer = io::read_to_string(request(server, "now")?)?;
        assert!(answer.ends_with("answered\n"), "{answer}");
        println!("{}\n{}", next(), next());
        Ok(())
    };
    tokio::task::spawn_blocking(clients).await.expect("it does not panic")
}

#[test]
fn a_client_that_goes_away_ends_its_job() {
    test_support::watched("server", main).unwrap();
}
