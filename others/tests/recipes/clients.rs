//! Clients on tokio that block: the wait is an event loop's, which a hook has to wake.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::time::{Duration, Instant};

use eintr::{CleanupOnDrop, Error, ResultExt, with_hook};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::{Client, NoTls};
use test_support::{sleeping_in, wait_until, watched};

use super::{LONG, POLLS, asked_when, ends_with_us, skipped};

/// A server of our own, if this machine has PostgreSQL.
struct Postgres {
    directory: PathBuf,
    process: Child,
}

impl Postgres {
    fn start() -> Option<Self> {
        let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten();
        let programs = versions.map(|version| version.path().join("bin"));
        let Some(programs) = programs.filter(|bin| bin.join("initdb").exists()).max() else {
            skipped("postgres", "no server here");
            return None;
        };
        let directory = std::env::temp_dir().join(format!("eintr-postgres-{}", process::id()));
        fs::create_dir(&directory).unwrap();
        // As root it does not run.
        let user = fs::metadata("/var/lib/postgresql").unwrap();
        let is_root = nix::unistd::getuid().is_root();
        if is_root {
            std::os::unix::fs::chown(&directory, Some(user.uid()), None).unwrap();
        }
        let program = |name| {
            let mut command = Command::new(programs.join(name));
            if is_root {
                command.uid(user.uid()).gid(user.gid());
            }
            command.arg("-D").arg(directory.join("data")).current_dir(&directory);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let mut initialize = program("initdb");
        initialize.args(["-N", "-A", "trust", "-U", "postgres"]);
        assert!(initialize.status().unwrap().success());
        let mut serve = program("postgres");
        serve.args(["-c", "fsync=off", "-h", "", "-k"]).arg(&directory);
        ends_with_us(&mut serve);
        let process = serve.spawn().unwrap();
        Some(Self { directory, process })
    }

    fn connect(&self) -> Client {
        let host = self.directory.display();
        let parameters = format!("host={host} user=postgres dbname=postgres");
        let mut client = None;
        wait_until("the server is there", || {
            client = Client::connect(&parameters, NoTls).ok();
            client.is_some()
        });
        client.unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGQUIT);
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn postgres_a_query_is_cancelled_by_a_hook() {
    let Some(server) = Postgres::start() else { return };
    watched("postgres_a_query_is_cancelled_by_a_hook", || {
        let [client, mut other] = [server.connect(), server.connect()];
        // One that comes before the query is the server's to lose.
        let runs = move |_| {
            let query = "select 1 from pg_stat_activity where wait_event = 'PgSleep'";
            !other.query(query, &[]).unwrap().is_empty()
        };
        let left = asked_when(runs, move || {
            let mut client = CleanupOnDrop::new(LONG, client);
            let cancel = client.cancel_token();
            let result = with_hook(
                move |_| drop(cancel.cancel_query(NoTls)),
                || client.batch_execute("select pg_sleep(1000)"),
            );
            // The server says that it was cancelled.
            result.or_interrupted()
        });
        assert!(matches!(left, Err(Error::Interrupted(_))), "{left:?}");
    });
}

/// Files are read and written, also when what can be done at once is refused as well.
#[test]
fn sqlite_a_transaction_of_an_interrupted_thread() {
    watched("sqlite_a_transaction_of_an_interrupted_thread", || {
        let path = std::env::temp_dir().join(format!("eintr-sqlite-{}", process::id()));
        let database = rusqlite::Connection::open(&path).unwrap();
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        task.run(|| {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(200) {
                std::hint::spin_loop();
            }
            let batch = "begin; create table t (i); insert into t values (1); commit";
            database.execute_batch(batch).unwrap();
        });
        drop(database);
        fs::remove_file(path).unwrap();
    });
}

/// What is there is read, and the client goes on by itself.
#[test]
fn tokio_a_client_gets_its_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    watched("tokio_a_client_gets_its_answer", || {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            told.recv().unwrap();
            io::Write::write_all(&mut theirs, b"answer").unwrap();
        });
        let polls = |tid| sleeping_in(tid).is_some_and(|number| POLLS.contains(&number));
        let answer = asked_when(polls, move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            with_hook(
                move |_| tell.send(()).unwrap(),
                || {
                    runtime.block_on(async {
                        ours.set_nonblocking(true)?;
                        let mut stream = tokio::net::UnixStream::from_std(ours)?;
                        let mut answer = [0; 6];
                        stream.read_exact(&mut answer).await?;
                        stream.shutdown().await?;
                        Ok::<_, io::Error>(answer)
                    })
                },
            )
        });
        assert_eq!(&answer.unwrap(), b"answer");
        server.join().unwrap();
    });
}
