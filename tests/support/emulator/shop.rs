//! A fleet in a folder of its own, in an account of its own.
//!
//! Constraint kept: names follow from the test's and this run's, so that a failure can be looked into on the endpoint
//! and a long-lived endpoint can serve the next run.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use aws_sdk_cloudformation::types::Capability;
use tempfile::TempDir;
use tokio::process::Command;

use super::aws::Aws;
use super::proxy::Proxy;
use super::run::{self, Output, Running};
use super::{Engine, REGION, endpoint};

/// What tells this run from others on the same endpoint.
static RUN: LazyLock<u64> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    (SystemTime::now(), std::process::id()).hash(&mut hasher);
    hasher.finish()
});

/// A fleet, and the program to operate it with.
pub(crate) struct Shop {
    dir: TempDir,
    /// Name of the fleet.
    pub(crate) fleet: String,
    /// The account that it is in.
    pub(crate) account: String,
    /// The emulator that it is on.
    pub(crate) engine: Engine,
    /// A look past the program.
    pub(crate) aws: Aws,
    /// Address of the endpoint.
    pub(crate) endpoint: String,
}

impl Shop {
    /// A fleet without cells. `test` is unique in the suite.
    pub(crate) async fn empty(test: &str) -> Self {
        let endpoint = endpoint().await;
        let mut hasher = DefaultHasher::new();
        (test, *RUN).hash(&mut hasher);
        let seed = hasher.finish();
        let word: String = test.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
        let fleet = format!("{}-{:08x}", word.to_lowercase(), seed & 0xffff_ffff);
        let account = format!("{:012}", 100_000_000_000 + seed % 900_000_000_000);
        let dir = tempfile::tempdir().expect("a folder");
        for part in ["templates", "functions"] {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &dir.path().join(part));
        }
        fs::create_dir(dir.path().join("home")).expect("a folder");
        let aws = Aws::new(&endpoint.url, &account);
        let shop = Self { dir, fleet, account, engine: endpoint.engine, aws, endpoint: endpoint.url.clone() };
        let fleet = example("fleet").replace("name: shop", &format!("name: {}", shop.fleet));
        shop.write("cells/fleet.yaml", &fleet);
        shop
    }

    /// The same with small cells: a table, a queue, no function.
    pub(crate) async fn small(test: &str, cells: &[&str]) -> Self {
        let shop = Self::empty(test).await;
        for cell in cells {
            shop.write(&format!("cells/{cell}.yaml"), &small_cell(cell));
        }
        shop
    }

    /// The same with cells of the example.
    pub(crate) async fn example(test: &str, cells: &[&str]) -> Self {
        let shop = Self::empty(test).await;
        for cell in cells {
            shop.write(&format!("cells/{cell}.yaml"), &example(cell));
        }
        shop
    }

    /// Makes the control state.
    pub(crate) async fn ready(self) -> Self {
        self.run(&["init", "--yes"]).await.exits(0);
        self
    }

    /// The same, with all cells applied.
    pub(crate) async fn applied(self) -> Self {
        let shop = self.ready().await;
        shop.run(&["apply", "--yes"]).await.exits(0);
        shop
    }

    /// A file of the fleet.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Reads a file of the fleet.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("readable")
    }

    /// Writes a file of the fleet.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("has a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// Replaces a text in a file of the fleet. It must be there.
    pub(crate) fn edit(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert!(text.contains(old), "{name} has no {old:?}:\n{text}");
        self.write(name, &text.replace(old, new));
    }

    /// Name of a cell's stack.
    pub(crate) fn stack(&self, cell: &str) -> String {
        format!("{}-{cell}", self.fleet)
    }

    /// Name of the control table.
    pub(crate) fn control_table(&self) -> String {
        format!("cellctl-{}-control", self.fleet)
    }

    /// Name of the artifact bucket.
    pub(crate) fn bucket(&self) -> String {
        format!("cellctl-{}-{}-{REGION}", self.fleet, self.account)
    }

    /// Runs the program to its end.
    pub(crate) async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.start(arguments, |_| {}).end().await
    }

    /// Runs it with its requests going through a proxy.
    pub(crate) async fn run_through<S: AsRef<OsStr>>(&self, proxy: &Proxy, arguments: &[S]) -> Output {
        self.start_through(proxy, arguments).end().await
    }

    /// Starts it with its requests going through a proxy.
    pub(crate) fn start_through<S: AsRef<OsStr>>(&self, proxy: &Proxy, arguments: &[S]) -> Running {
        self.start(arguments, |command| {
            command.env("AWS_ENDPOINT_URL", proxy.url());
        })
    }

    /// Starts it, with changes to its command.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: &[S], change: impl FnOnce(&mut Command)) -> Running {
        let mut command = run::program(self.dir.path(), &self.path("home"), &self.endpoint, &self.account);
        command.args(arguments);
        change(&mut command);
        Running::start(command)
    }

    /// Runs a shell script that starts it as `"$CELLCTL"`.
    pub(crate) async fn shell(&self, script: &str) -> Output {
        let mut command = Command::new("/bin/sh");
        run::clean(&mut command, self.dir.path(), &self.path("home"), &self.endpoint, &self.account);
        command.args(["-c", script]).env("CELLCTL", env!("CARGO_BIN_EXE_cellctl"));
        Running::start(command).end().await
    }

    /// Fails the test unless each of these cells has had one stack, ever, and is complete.
    pub(crate) async fn made_once(&self, cells: &[&str]) {
        let all = self.aws.all_stacks().await;
        for cell in cells {
            let made = all.get(&self.stack(cell)).map_or(&[][..], Vec::as_slice);
            assert!(made.len() == 1 && made[0].1.as_str().ends_with("_COMPLETE"), "{cell}: {made:?}");
        }
    }

    /// Makes the counter of a cell say that it holds so many tenants.
    pub(crate) async fn set_tenants(&self, cell: &str, tenants: i64) {
        self.aws.set_number(&self.control_table(), ("LOAD", cell), "tenants", tenants).await;
    }

    /// Name of the table of the tenant map.
    pub(crate) fn tenants_table(&self) -> String {
        format!("cellctl-{}-tenants", self.fleet)
    }

    /// Changes a cell's stack as somebody does who knows nothing of the program, and waits until that is done.
    pub(crate) async fn change_queue_past_us(&self, cell: &str) {
        let (stack, client) = (self.stack(cell), &self.aws.cloudformation);
        let template = client.get_template().stack_name(&stack).send().await.expect("a template").template_body;
        let template = template.expect("a text").replace("VisibilityTimeout: 30", "VisibilityTimeout: 31");
        let request = client.update_stack().stack_name(&stack).template_body(template);
        request.capabilities(Capability::CapabilityNamedIam).send().await.expect("updates");
        self.aws.until(&stack, |status| status == Some("UPDATE_COMPLETE")).await;
    }

    /// A proxy before the endpoint.
    pub(crate) async fn proxy(&self) -> Proxy {
        Proxy::start(&self.endpoint).await
    }
}

/// A definition of the example fleet.
fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cells").join(format!("{name}.yaml"));
    fs::read_to_string(path).expect("readable")
}

/// A definition with a table and a queue.
pub(crate) fn small_cell(name: &str) -> String {
    format!(
        "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: {name} }}\nspec:\n  type: shared\n  \
         capacity: {{ tenants: 10 }}\n  tables:\n    orders: {{ partitionKey: pk, sortKey: sk }}\n  \
         queues:\n    orders: {{ visibilityTimeout: 30s }}\n"
    )
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
