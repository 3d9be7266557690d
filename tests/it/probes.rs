//! Commands and addresses that gates ask, against real processes and servers of this machine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use cellctl::ports::rollout::{NoAnswer, Probes, Ran};
use cellctl::probe::SystemProbes;
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// More than any command here takes on a machine that is busy.
const LONG: Duration = Duration::from_mins(1);
/// What is to run out.
const SHORT: Duration = Duration::from_millis(300);

async fn sh(directory: &Path, script: &str, timeout: Duration) -> Result<Ran, NoAnswer> {
    let environment = BTreeMap::from([("CELL".to_owned(), "cell-3".to_owned())]);
    let program = ["sh", "-c", script].map(str::to_owned);
    SystemProbes::new(directory.to_owned()).run(&program, &environment, timeout).await
}

#[allow(clippy::unnecessary_wraps, reason = "it is what a command is to end with")]
fn ran(code: i32, last_line: &str) -> Result<Ran, NoAnswer> {
    Ok(Ran { code: Some(code), last_line: last_line.to_owned() })
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Waits for a file that names a process, and gives its number.
async fn pid_in(path: &Path) -> Pid {
    let deadline = Instant::now() + LONG;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(pid) = text.strip_suffix('\n').and_then(|pid| Pid::from_raw(pid.parse().ok()?)) {
            return pid;
        }
        assert!(Instant::now() < deadline, "nothing has written {}", path.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process is there and no zombie.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    test_kill_process(pid).is_ok() && !matches!(state, Some('Z' | 'X') | None)
}

async fn until_gone(pid: Pid) {
    let deadline = Instant::now() + LONG;
    while runs(pid) {
        assert!(Instant::now() < deadline, "process {pid:?} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_ends_with_its_code_and_its_last_line() {
    let dir = temp();
    let here = dir.path();
    assert_eq!(sh(here, "exit 0", LONG).await, ran(0, ""));
    assert_eq!(sh(here, "echo one; echo two >&2; exit 7", LONG).await, ran(7, "two"));
    assert_eq!(sh(here, "echo one >&2; echo two", LONG).await, ran(0, "two"));
    assert_eq!(sh(here, "echo \"$CELL\"; cat", LONG).await, ran(0, "cell-3"), "with nothing to read");
    let killed = sh(here, "echo gone; kill -9 $$", LONG).await;
    assert_eq!(killed, Ok(Ran { code: None, last_line: "gone".to_owned() }));
}

#[tokio::test]
async fn a_program_is_looked_for_in_the_directory_or_along_the_path() {
    let dir = temp();
    let script = dir.path().join("check.sh");
    std::fs::write(&script, "#!/bin/sh\nbasename \"$PWD\"\n").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("set");
    let probes = SystemProbes::new(dir.path().to_owned());
    let name = dir.path().file_name().expect("a name").to_string_lossy().into_owned();
    let found = probes.run(&["./check.sh".to_owned()], &BTreeMap::new(), LONG).await;
    assert_eq!(found, ran(0, &name));
    for (program, says) in [(vec!["./none.sh".to_owned()], "./none.sh could not be started"), (vec![], "no program")] {
        let failed = probes.run(&program, &BTreeMap::new(), LONG).await;
        assert!(matches!(&failed, Err(NoAnswer::Failed(why)) if why.contains(says)), "{failed:?}");
    }
}

#[tokio::test]
async fn an_output_without_end_holds_nothing_up() {
    let dir = temp();
    assert_eq!(sh(dir.path(), "yes x | head -c 20000000; echo; echo end", LONG).await, ran(0, "end"));
    assert_eq!(sh(dir.path(), "while :; do echo x; done", SHORT).await, Err(NoAnswer::TimedOut));
}

#[tokio::test]
async fn a_command_that_ignores_signals_is_killed_with_its_children() {
    let dir = temp();
    let began = Instant::now();
    let script = "trap '' TERM INT HUP; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & \
                  echo $$ > own; while :; do sleep 1; done";
    let asked = tokio::spawn({
        let here = dir.path().to_owned();
        async move { sh(&here, script, Duration::from_secs(2)).await }
    });
    let (own, child) = (pid_in(&dir.path().join("own")).await, pid_in(&dir.path().join("child")).await);
    assert_eq!(asked.await.expect("ended"), Err(NoAnswer::TimedOut));
    assert!(began.elapsed() < LONG);
    until_gone(own).await;
    until_gone(child).await;
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it() {
    let dir = temp();
    // The child keeps the output open, which must not hold the answer up.
    let script = "sh -c 'echo $$ > child; while :; do sleep 1; done' & while ! test -s child; do :; done; echo done";
    assert_eq!(sh(dir.path(), script, LONG).await, ran(0, "done"));
    until_gone(pid_in(&dir.path().join("child")).await).await;
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_ends_with_its_children() {
    let dir = temp();
    let script = "sh -c 'echo $$ > child; while :; do sleep 1; done' & wait";
    let asked = tokio::spawn({
        let here = dir.path().to_owned();
        async move { sh(&here, script, LONG).await }
    });
    let child = pid_in(&dir.path().join("child")).await;
    asked.abort();
    until_gone(child).await;
}

/// A server of one connection after the other, that does with each what it is told to.
async fn serve<F, Fut>(with: F) -> (String, JoinHandle<()>)
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}/health", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(with(stream));
        }
    });
    (url, server)
}

async fn answer(mut stream: TcpStream, text: &str) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        let mut chunk = [0; 1_024];
        match stream.read(&mut chunk).await {
            Ok(length) if length > 0 => seen.extend_from_slice(&chunk[..length]),
            _ => return,
        }
    }
    let _ = stream.write_all(text.as_bytes()).await;
    // Open until the other side closes.
    let _ = stream.read_to_end(&mut seen).await;
}

async fn get(url: &str, timeout: Duration) -> Result<u16, NoAnswer> {
    SystemProbes::new(std::env::temp_dir()).get(url, timeout).await
}

#[tokio::test]
async fn an_address_answers_with_its_status() {
    for (text, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 503),
        // Where it leads is not asked.
        ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n", 302),
        // A body that never comes is not waited for.
        ("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", 200),
    ] {
        let (url, server) = serve(move |stream| answer(stream, text)).await;
        assert_eq!(get(&url, LONG).await, Ok(status), "{text}");
        server.abort();
    }
}

#[tokio::test]
async fn an_address_that_hangs_is_given_up() {
    let (silent, one) = serve(|stream| answer(stream, "")).await;
    let (slow, other) = serve(|stream| answer(stream, "HTTP/1.1 200 OK\r\nx-half: ")).await;
    for url in [silent, slow] {
        assert_eq!(get(&url, SHORT).await, Err(NoAnswer::TimedOut));
    }
    one.abort();
    other.abort();
}

#[tokio::test]
async fn an_address_that_cannot_be_asked_says_why() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let (no_tls, server) = serve(async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    for (url, says) in [
        (format!("http://127.0.0.1:{port}/"), "refused"),
        // It speaks no TLS.
        (no_tls.replace("http:", "https:"), "does not answer"),
        ("http://192.0.2.1/".to_owned(), "use https"),
        ("ftp://localhost/".to_owned(), "https://"),
    ] {
        let failed = get(&url, LONG).await;
        assert!(
            matches!(&failed, Err(NoAnswer::Failed(why)) if why.to_lowercase().contains(says)),
            "{url}: {failed:?}"
        );
    }
    server.abort();
}
