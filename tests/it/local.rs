//! Local endpoints, with a real MiniStack. The first test to need it installs it under the build folder.

#![allow(clippy::expect_used, reason = "a helper that fails is a test that fails")]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cellctl::local::{
    Instance, InstanceName, LocalError, LocalEvent, LocalSettings, OwnedInstance, OwnedOptions, PORT_DEFAULT, Runner,
    Status, UpOptions, down, status, up,
};

const OWNER_MARK: &str = "CELLCTL_TEST_OWNER";

fn shared() -> LocalSettings {
    LocalSettings::at(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cellctl"), std::env::vars_os())
}

/// Settings with an empty cache and with these variables on top of the user's.
fn fresh(dir: &Path, variables: &[(&str, &Path)]) -> LocalSettings {
    let overridden = |name: &OsString| variables.iter().any(|(other, _)| name == other);
    let inherited = std::env::vars_os().filter(|(name, _)| !overridden(name));
    let extra = variables.iter().map(|(name, value)| (OsString::from(name), value.as_os_str().to_owned()));
    LocalSettings::at(dir.join("cache"), inherited.chain(extra))
}

fn named(name: &str) -> UpOptions {
    UpOptions { name: name.parse().expect("a name"), ..UpOptions::default() }
}

fn pid_of(instance: &Instance) -> u32 {
    match &instance.runner {
        Runner::Process { pid, .. } => *pid,
        Runner::Container { name, .. } => panic!("{name} is a container"),
    }
}

/// Writes a program, from another process: were it open here, a fork in another thread would make it "busy".
fn program(dir: &Path, name: &str, script: &str) {
    let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod +x "$1""#;
    let written = Command::new("/bin/sh").args(["-c", write, "sh"]).arg(dir.join(name)).arg(script).status();
    assert!(written.expect("sh").success());
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_alive(pid: u32) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().expect("ps").stdout;
    !state.is_empty() && state[0] != b'Z'
}

#[tokio::test(flavor = "multi_thread")]
async fn up_is_idempotent_and_down_leaves_nothing() {
    let (settings, options) = (shared(), named("idempotent"));
    let first = up(&settings, &options, &mut |_| {}).await.expect("up");
    let again = up(&settings, &options, &mut |_| {}).await.expect("up again");
    assert!(!first.reused && again.reused);
    assert_eq!(first.instance, again.instance);
    assert!(Path::new(&first.instance.log()).exists());
    let stopped = down(&settings, &options.name, &mut |_| {}).await.expect("down").stopped;
    assert_eq!(stopped.as_ref(), Some(&first.instance));
    assert!(!is_alive(pid_of(&first.instance)));
    assert!(matches!(status(&settings, &options.name).await.expect("status"), Status::Stopped { .. }));
    assert_eq!(down(&settings, &options.name, &mut |_| {}).await.expect("down twice").stopped, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_at_the_same_time_start_one_endpoint() {
    let (settings, options) = (shared(), named("together"));
    let (mut ignore_a, mut ignore_b) = (|_| {}, |_| {});
    let (a, b) = tokio::join!(up(&settings, &options, &mut ignore_a), up(&settings, &options, &mut ignore_b));
    let (a, b) = (a.expect("up"), b.expect("up"));
    assert_eq!(a.instance, b.instance);
    assert_ne!(a.reused, b.reused);
    down(&settings, &options.name, &mut |_| {}).await.expect("down");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_was_killed_is_started_anew() {
    let (settings, options) = (shared(), named("killed"));
    let first = up(&settings, &options, &mut |_| {}).await.expect("up").instance;
    let killed = Command::new("kill").args(["-9", &pid_of(&first).to_string()]).status().expect("kill");
    assert!(killed.success());
    eventually("it is gone", || !is_alive(pid_of(&first)));
    assert!(matches!(status(&settings, &options.name).await.expect("status"), Status::Ended { .. }));
    let mut events = Vec::new();
    let second = up(&settings, &options, &mut |event| events.push(event)).await.expect("up").instance;
    assert!(events.contains(&LocalEvent::StaleRemoved { endpoint: first.endpoint.clone() }));
    assert_ne!(pid_of(&second), pid_of(&first));
    down(&settings, &options.name, &mut |_| {}).await.expect("down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_replaced_unless_it_was_asked_for() {
    let (settings, options) = (shared(), named("taken"));
    // Either this holds the usual port, or someone else does already.
    let _held = TcpListener::bind(("127.0.0.1", PORT_DEFAULT));
    let instance = up(&settings, &options, &mut |_| {}).await.expect("up").instance;
    assert_ne!(instance.port, PORT_DEFAULT);
    let other = UpOptions { port: Some(instance.port), ..named("taken-too") };
    let refused = up(&settings, &other, &mut |_| {}).await.expect_err("taken");
    assert!(matches!(refused, LocalError::PortTaken { port } if port == instance.port), "{refused}");
    down(&settings, &options.name, &mut |_| {}).await.expect("down");
}

/// One request in the plain form that MiniStack takes from the signed-in user `test`.
fn sqs(instance: &Instance, action: &str, body: &str) -> String {
    let port = instance.port;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Amz-Target: AmazonSQS.{action}\r\nConnection: close\r\n\
         Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20250101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connect");
    std::io::Write::write_all(&mut stream, head.as_bytes()).expect("send");
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).expect("answer");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_kept_only_when_asked_for() {
    let settings = shared();
    for persist in [true, false] {
        let options = UpOptions { persist, ..named(if persist { "kept" } else { "dropped" }) };
        let instance = up(&settings, &options, &mut |_| {}).await.expect("up").instance;
        let made = sqs(&instance, "CreateQueue", r#"{"QueueName": "orders"}"#);
        assert!(made.contains("orders"), "{made}");
        down(&settings, &options.name, &mut |_| {}).await.expect("down");
        let instance = up(&settings, &options, &mut |_| {}).await.expect("up").instance;
        let listed = sqs(&instance, "ListQueues", "{}");
        assert_eq!(listed.contains("orders"), persist, "{listed}");
        down(&settings, &options.name, &mut |_| {}).await.expect("down");
        std::fs::remove_dir_all(&instance.state_dir).expect("the folder is there");
    }
}

async fn owned() -> OwnedInstance {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("owned-{}.log", std::process::id()));
    let options = OwnedOptions { region: "eu-central-1".into(), log };
    OwnedInstance::start(&shared(), &options, &mut |_| {}).await.expect("start")
}

/// The addresses and ports that a process listens on, in the form of `proc_net(5)`.
#[cfg(target_os = "linux")]
fn listening(pid: u32) -> Vec<String> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("descriptors")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let lines: Vec<String> =
        tables.into_iter().flatten().flat_map(|t| t.lines().map(String::from).collect::<Vec<_>>()).collect();
    let fields = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|f| f.len() > 9 && f[3] == "0A" && sockets.iter().any(|inode| inode == f[9]))
        .map(|f| f[1].to_owned())
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn it_listens_on_loopback_only() {
    let owned = owned().await;
    let port: u16 = owned.endpoint().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    assert_eq!(listening(owned.pid()), [format!("0100007F:{port:04X}")]);
    // The test itself must not hold the socket, or it would answer for a dead endpoint.
    assert!(!listening(std::process::id()).contains(&format!("0100007F:{port:04X}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_an_owned_endpoint_ends_it() {
    let owned = owned().await;
    let pid = owned.pid();
    assert!(is_alive(pid));
    drop(owned);
    assert!(!is_alive(pid));
}

/// Not a test by itself: the owner that the next one starts, and kills.
#[tokio::test(flavor = "multi_thread")]
async fn owner_to_be_killed() {
    if !std::env::vars_os().any(|(name, _)| name == OWNER_MARK) {
        return;
    }
    let owned = owned().await;
    println!("\nOWNED {}", owned.pid());
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn killing_the_owner_ends_its_endpoint_and_removes_its_folder() {
    let temp = tempfile::tempdir().expect("dir");
    let mut owner = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "local::owner_to_be_killed", "--nocapture"])
        .env(OWNER_MARK, "1")
        .env("TMPDIR", temp.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawn");
    let mut lines = BufReader::new(owner.stdout.take().expect("stdout")).lines().map_while(Result::ok);
    let pid = lines.find_map(|line| line.strip_prefix("OWNED ")?.parse::<u32>().ok()).expect("a number");
    let folders = || std::fs::read_dir(temp.path()).expect("folder").count();
    assert!(is_alive(pid) && folders() == 1);
    // This is SIGKILL: the owner has no chance to clean up.
    owner.kill().expect("kill");
    owner.wait().expect("wait");
    eventually("the endpoint is gone", || !is_alive(pid));
    assert_eq!(folders(), 0);
}

#[tokio::test]
async fn without_python_the_error_says_what_to_install() {
    let dir = tempfile::tempdir().expect("dir");
    let settings = fresh(dir.path(), &[("PATH", dir.path())]);
    let error = up(&settings, &named("a"), &mut |_| {}).await.expect_err("no python");
    assert!(matches!(error, LocalError::NoPython { .. }));
    let text = error.to_string();
    assert!(text.contains("apt install python3 python3-venv") && text.contains("--engine localstack"), "{text}");
}

#[tokio::test]
async fn without_the_venv_module_the_error_names_the_package() {
    let dir = tempfile::tempdir().expect("dir");
    let script = r#"case "$*" in *venv*) echo "ensurepip is not available" >&2; exit 1;; *) echo 3.11.2;; esac"#;
    program(dir.path(), "python3", script);
    let settings = fresh(dir.path(), &[("PATH", dir.path())]);
    let error = up(&settings, &named("a"), &mut |_| {}).await.expect_err("no venv");
    assert!(matches!(error, LocalError::NoVenvModule { .. }), "{error}");
    assert!(error.to_string().contains("apt install python3-venv"), "{error}");
    assert_eq!(attempts(&settings), Vec::<PathBuf>::new(), "a failed attempt was left behind");
}

/// Folders of attempts at an installation that are there.
fn attempts(settings: &LocalSettings) -> Vec<PathBuf> {
    let roots = std::fs::read_dir(&settings.cache_dir).expect("cache").flatten().map(|entry| entry.path());
    let installs = roots.filter(|path| path.to_string_lossy().contains("ministack-"));
    let entries = installs.flat_map(|root| std::fs::read_dir(root).expect("root").flatten());
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_the_error_says_so() {
    let dir = tempfile::tempdir().expect("dir");
    let nowhere = Path::new("http://127.0.0.1:9/");
    let variables = [("PIP_INDEX_URL", nowhere), ("PIP_RETRIES", Path::new("1")), ("PIP_NO_CACHE_DIR", Path::new("1"))];
    let settings = fresh(dir.path(), &variables);
    let mut events = Vec::new();
    let error = up(&settings, &named("a"), &mut |event| events.push(event)).await.expect_err("no network");
    assert!(matches!(error, LocalError::NoNetwork { .. }), "{error}");
    assert!(matches!(events.as_slice(), [LocalEvent::VenvCreated { .. }]), "{events:?}");
    assert_eq!(attempts(&settings), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_with_another_hash_is_not_installed() {
    let dir = tempfile::tempdir().expect("dir");
    std::fs::write(dir.path().join("botocore-1.43.106-py3-none-any.whl"), "not what was pinned").expect("wheel");
    let settings = fresh(dir.path(), &[("PIP_NO_INDEX", Path::new("1")), ("PIP_FIND_LINKS", dir.path())]);
    let error = up(&settings, &named("a"), &mut |_| {}).await.expect_err("another hash");
    assert!(matches!(error, LocalError::HashMismatch { .. }), "{error}");
}

#[tokio::test]
async fn names_are_checked_before_anything_is_touched() {
    assert!(matches!("a/b".parse::<InstanceName>(), Err(LocalError::BadName(_))));
}
