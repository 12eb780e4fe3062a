//! Calls of crates that know nothing of us.

use std::env;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::iterator::{Handle, Signals};
use tokio::runtime::Builder;
use tokio::task::AbortHandle;

use super::scene::{By, Case, Ends, Made, Scene};
use super::std_calls::temporary_path;

const fn case(call: &'static str, make: fn() -> Made) -> Case {
    Case::foreign(call, By::Crate, make)
}

pub const CASES: &[Case] = &[
    case("ureq::get, silent server", get),
    case("redis: blpop, empty list", pop),
    case("rusqlite: begin, locked database", begin),
    case("touche: a server's accept loop", serve),
    Case {
        call: "tokio: block_on, aborted by a hook",
        by: By::Crate,
        plain: || block_on(|job, _abort| job()),
        managed: || block_on(|job, abort| eintr::with_hook(|_| abort.abort(), job)),
    },
    Case {
        call: "signal-hook: forever, closed by a hook",
        by: By::Crate,
        plain: || forever(|_handle, each| each()),
        // A hook that comes late is not to find a loop that was told an error.
        managed: || {
            forever(|handle, each| {
                eintr::without_reach(|| eintr::with_hook(|_| handle.close(), each))
            })
        },
    },
];

fn get() -> Made {
    // The connection is made by the kernel; nobody accepts it.
    let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let url = format!("http://{}/", server.local_addr().unwrap());
    let call = move || match ureq::get(&url).call() {
        Ok(_) => Ok(()),
        Err(ureq::Error::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    };
    Ok(Scene::new(&[libc::SYS_recvfrom], call).release(|| drop(server)))
}

/// A Redis server of our own, if this machine has the program.
struct Server {
    process: Child,
    socket: std::path::PathBuf,
}

impl Server {
    fn start() -> Result<Self, String> {
        let socket = temporary_path();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--daemonize", "no", "--unixsocket"])
            .arg(&socket)
            .current_dir(env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("redis: no redis-server here: {error}"))?;
        let server = Self { process, socket };
        let start = Instant::now();
        while UnixStream::connect(&server.socket).is_err() {
            if start.elapsed() > Duration::from_secs(20) {
                return Err("redis: the server does not listen".into());
            }
            thread::yield_now();
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

/// The error of a client that keeps the one that it got in itself.
fn told(error: redis::RedisError) -> io::Error {
    io::Error::other(error)
}

fn pop() -> Made {
    let server = Server::start()?;
    let client = redis::Client::open(format!("redis+unix://{}", server.socket.display()))
        .map_err(|error| format!("redis: {error}"))?;
    let mut connection = client.get_connection().map_err(|error| format!("redis: {error}"))?;
    let call = move || {
        let mut pop = redis::cmd("BLPOP");
        pop.arg("a list").arg(0).query::<()>(&mut connection).map_err(told)
    };
    Ok(Scene::new(&[libc::SYS_recvfrom], call).release(|| drop(server)))
}

/// SQLite waits for its lock by short sleeps, and gives up when they come to five seconds. It counts
/// them, and not the time: cut short, they are over soon.
fn begin() -> Made {
    let path = temporary_path();
    let open = || rusqlite::Connection::open(&path).expect("a database");
    let [holder, other] = [open(), open()];
    holder.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    let call = move || other.execute_batch("BEGIN EXCLUSIVE").map_err(io::Error::other);
    let scene = Scene::new(&[libc::SYS_nanosleep, libc::SYS_clock_nanosleep], call);
    Ok(scene.ends(Ends::WithItsOwnError).release(move || {
        drop(holder);
        fs::remove_file(path)
    }))
}

/// It ends its loop when there is an error.
fn serve() -> Made {
    let call = || {
        let server = touche::Server::builder().max_threads(1).try_bind("127.0.0.1:0")?;
        server.serve_single_thread(|_request| {
            touche::Response::builder().body(()).map_err(io::Error::other)
        })
    };
    // What it says is Ok, as of a loop that has come to its end. Nothing else brings it there.
    Ok(Scene::new(&[libc::SYS_accept4], call).ends(Ends::Early))
}

/// A client on tokio that blocks: it reads what does not come.
fn block_on(run: fn(&mut dyn FnMut() -> io::Result<()>, &AbortHandle) -> io::Result<()>) -> Made {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    near.set_nonblocking(true).expect("it may be set");
    let call = move || {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let near = near.try_clone()?;
        let mut read =
            runtime.spawn(async move { tokio::net::UnixStream::from_std(near)?.readable().await });
        let abort = read.abort_handle();
        run(&mut || runtime.block_on(&mut read).map_err(io::Error::other)?, &abort)
    };
    Ok(Scene::new(EPOLL, call).ends(Ends::WithItsOwnError).release(|| drop(far)))
}

#[cfg(target_arch = "x86_64")]
const EPOLL: &[libc::c_long] = &[libc::SYS_epoll_wait, libc::SYS_epoll_pwait];
#[cfg(not(target_arch = "x86_64"))]
const EPOLL: &[libc::c_long] = &[libc::SYS_epoll_pwait];

fn forever(run: fn(&Handle, &mut dyn FnMut())) -> Made {
    let mut signals = Signals::new([libc::SIGHUP]).map_err(|error| error.to_string())?;
    let (handle, closed) = (signals.handle(), signals.handle());
    let call = move || {
        run(&handle, &mut || signals.forever().for_each(drop));
        Ok(())
    };
    Ok(Scene::new(&[libc::SYS_recvfrom], call).ends(Ends::Early).release(move || closed.close()))
}
