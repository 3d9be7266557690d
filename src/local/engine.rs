//! Named endpoints that outlive the command: up, down, status.
//!
//! Constraints kept: each command may be repeated without harm, also at the same time and after a crash; what was not
//! started here is never stopped.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::docker::{self, Container};
use super::instance::{self, Engine, Instance, InstanceName, Runner, endpoint_of, file_of};
use super::launch::{self, HEALTH_PATH, Launch};
use super::lock::{self, Lock};
use super::settings::private_dir;
use super::{LocalError, LocalEvent, LocalSettings, OnEvent, PORT_DEFAULT, REGION_DEFAULT, health, process, venv};

/// Time for an orderly end; MiniStack needs less than a second.
const GRACE: Duration = Duration::from_secs(5);
/// Time for an orderly end when contents must be written first.
const GRACE_PERSIST: Duration = Duration::from_secs(30);
/// Time for a running endpoint to answer; a busy one takes longer than an idle one's millisecond.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What endpoint is wanted.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Its name.
    pub name: InstanceName,
    /// What serves it.
    pub engine: Engine,
    /// The port; without it 4566, or a free one when that is taken.
    pub port: Option<u16>,
    /// The Region for what does not name one.
    pub region: String,
    /// Whether its contents are kept across a stop.
    pub persist: bool,
}

impl Default for UpOptions {
    /// What `--local` stands for.
    fn default() -> Self {
        let (name, region) = (InstanceName::default(), REGION_DEFAULT.to_owned());
        Self { name, engine: Engine::MiniStack, port: None, region, persist: false }
    }
}

/// What `up` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Up {
    /// The endpoint.
    pub instance: Instance,
    /// Whether it ran already.
    pub reused: bool,
}

/// What `down` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Down {
    /// The endpoint's name.
    pub name: InstanceName,
    /// What was stopped; nothing when nothing ran.
    pub stopped: Option<Instance>,
}

/// What `status` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Status {
    /// Nothing runs under this name.
    Stopped {
        /// The name.
        name: InstanceName,
    },
    /// It runs and answers.
    Healthy {
        /// The endpoint.
        instance: Instance,
    },
    /// It runs and does not answer.
    Unhealthy {
        /// The endpoint.
        instance: Instance,
    },
    /// It was started and has ended without `down`; the next `up` or `down` clears it away.
    Ended {
        /// The endpoint as it was.
        instance: Instance,
    },
}

/// Brings the endpoint up, or finds it running.
pub async fn up(settings: &LocalSettings, options: &UpOptions, on_event: OnEvent<'_>) -> Result<Up, LocalError> {
    let _lock = lock(settings, &options.name, on_event).await?;
    if let Status::Healthy { instance } = status(settings, &options.name).await? {
        return reuse(instance, options);
    }
    clear(settings, &options.name, on_event).await?;
    let instance = match options.engine {
        Engine::MiniStack => start_ministack(settings, options, on_event).await?,
        Engine::LocalStack => start_localstack(settings, options, on_event).await?,
    };
    Ok(Up { instance, reused: false })
}

/// Stops the endpoint, if it runs.
pub async fn down(settings: &LocalSettings, name: &InstanceName, on_event: OnEvent<'_>) -> Result<Down, LocalError> {
    let _lock = lock(settings, name, on_event).await?;
    let stopped = clear(settings, name, on_event).await?;
    Ok(Down { name: name.clone(), stopped })
}

/// Looks whether the endpoint runs and answers. Changes nothing.
pub async fn status(settings: &LocalSettings, name: &InstanceName) -> Result<Status, LocalError> {
    let Some(instance) = instance::load(&file_of(settings, name))? else {
        return Ok(Status::Stopped { name: name.clone() });
    };
    if !is_running(settings, &instance).await? {
        return Ok(Status::Ended { instance });
    }
    Ok(if answers(&instance).await { Status::Healthy { instance } } else { Status::Unhealthy { instance } })
}

async fn lock(settings: &LocalSettings, name: &InstanceName, on_event: OnEvent<'_>) -> Result<Lock, LocalError> {
    let dir = settings.instances_dir();
    private_dir(&dir)?;
    lock::acquire(&dir.join(format!("{name}.lock")), on_event).await
}

async fn is_running(settings: &LocalSettings, instance: &Instance) -> Result<bool, LocalError> {
    match &instance.runner {
        Runner::Process { pid, birth, .. } => Ok(process::birth_of(*pid).await.as_ref() == Some(birth)),
        Runner::Container { id, .. } => docker::is_running(settings, id).await,
    }
}

async fn answers(instance: &Instance) -> bool {
    match instance.engine {
        Engine::MiniStack => health::get(instance.port, HEALTH_PATH, ANSWER_LIMIT)
            .await
            .is_ok_and(|answer| launch::is_from(&answer, &instance.nonce)),
        Engine::LocalStack => docker::is_healthy(instance.port, ANSWER_LIMIT).await,
    }
}

/// The running instance, when it is what is asked for.
fn reuse(instance: Instance, options: &UpOptions) -> Result<Up, LocalError> {
    let same_port = options.port.is_none_or(|port| port == instance.port);
    if instance.engine == options.engine && instance.persist == options.persist && same_port {
        return Ok(Up { instance, reused: true });
    }
    Err(LocalError::OtherRunning {
        name: options.name.clone(),
        running: describe(instance.engine, instance.persist),
        endpoint: instance.endpoint,
        wanted: match options.port {
            Some(port) => format!("{} on port {port}", describe(options.engine, options.persist)),
            None => describe(options.engine, options.persist),
        },
    })
}

fn describe(engine: Engine, persist: bool) -> String {
    format!("{}{}", engine.name(), if persist { " with kept contents" } else { "" })
}

/// Ends what the state file names, if it still runs, and removes the file. Returns what was ended.
async fn clear(
    settings: &LocalSettings,
    name: &InstanceName,
    on_event: OnEvent<'_>,
) -> Result<Option<Instance>, LocalError> {
    let file = file_of(settings, name);
    let Some(instance) = instance::load(&file)? else { return Ok(None) };
    let ran = end(settings, &instance).await?;
    // Contents that are kept are in another folder.
    let _ = fs::remove_dir_all(instance.state_dir.join("tmp"));
    instance::forget(&file)?;
    let endpoint = instance.endpoint.clone();
    on_event(if ran { LocalEvent::Stopped { endpoint } } else { LocalEvent::StaleRemoved { endpoint } });
    Ok(ran.then_some(instance))
}

async fn end(settings: &LocalSettings, instance: &Instance) -> Result<bool, LocalError> {
    let grace = if instance.persist { GRACE_PERSIST } else { GRACE };
    match &instance.runner {
        Runner::Process { pid, birth, .. } => process::stop(*pid, birth, grace).await,
        Runner::Container { id, .. } => docker::stop(settings, id).await,
    }
}

/// Binds the wanted port; where none is wanted, the usual one or a free one.
fn choose_port(wanted: Option<u16>, usual: u16, on_event: OnEvent<'_>) -> Result<TcpListener, LocalError> {
    if let Some(port) = wanted {
        return launch::bind(port);
    }
    if let Ok(listener) = launch::bind(usual) {
        return Ok(listener);
    }
    let listener = launch::bind(0)?;
    if let Ok(address) = listener.local_addr() {
        on_event(LocalEvent::PortReplaced { taken: usual, used: address.port() });
    }
    Ok(listener)
}

async fn start_ministack(
    settings: &LocalSettings,
    options: &UpOptions,
    on_event: OnEvent<'_>,
) -> Result<Instance, LocalError> {
    let installed = venv::ensure(settings, on_event).await?;
    let (nonce, dir) = (launch::nonce(), settings.instances_dir());
    let (state_dir, log) = (dir.join(options.name.as_str()), dir.join(format!("{}.log", options.name)));
    let launch = Launch {
        installed: &installed,
        listener: choose_port(options.port, PORT_DEFAULT, on_event)?,
        state_dir: &state_dir,
        log: &log,
        nonce: &nonce,
        region: &options.region,
        persist: options.persist,
        follow: false,
    };
    let mut launched = launch.spawn()?;
    let pid = launched.child.id();
    // A process that died at once has no birth; the wait below then says why it died.
    let birth = process::birth_of(pid).await.unwrap_or_default();
    let runner = Runner::Process { pid, birth, log: log.clone() };
    let instance = describe_instance(options, launched.port, runner, &nonce, &state_dir);
    // Saved before it is healthy, so that it is found again should this process be ended now.
    let file = file_of(settings, &options.name);
    instance::save(&file, &instance).inspect_err(|_| launched.kill())?;
    on_event(LocalEvent::Started { what: format!("process {pid}"), log: instance.log() });
    if let Err(error) = launched.until_healthy(&nonce, &log, on_event).await {
        instance::forget(&file)?;
        return Err(error);
    }
    Ok(instance)
}

async fn start_localstack(
    settings: &LocalSettings,
    options: &UpOptions,
    on_event: OnEvent<'_>,
) -> Result<Instance, LocalError> {
    if options.persist {
        return Err(LocalError::NoPersistence);
    }
    let listener = choose_port(options.port, PORT_DEFAULT, on_event)?;
    let address = listener.local_addr();
    let port = address.map_err(|source| LocalError::io("look at a socket of", &settings.docker, source))?.port();
    // docker binds the port itself, so it has to be let go first.
    drop(listener);
    let nonce = launch::nonce();
    let container = Container { settings, instance: &options.name, port, region: &options.region, nonce: &nonce };
    let id = container.start().await?;
    let runner = Runner::Container { name: docker::container_name(&options.name), id: id.clone() };
    let state_dir = settings.instances_dir().join(options.name.as_str());
    let instance = describe_instance(options, port, runner, &nonce, &state_dir);
    let file = file_of(settings, &options.name);
    instance::save(&file, &instance)?;
    on_event(LocalEvent::Started { what: docker::container_name(&options.name), log: instance.log() });
    if let Err(error) = container.until_healthy(&id, on_event).await {
        docker::stop(settings, &id).await?;
        instance::forget(&file)?;
        return Err(error);
    }
    Ok(instance)
}

fn describe_instance(options: &UpOptions, port: u16, runner: Runner, nonce: &str, state_dir: &Path) -> Instance {
    Instance {
        name: options.name.clone(),
        engine: options.engine,
        endpoint: endpoint_of(port),
        port,
        region: options.region.clone(),
        persist: options.persist,
        runner,
        nonce: nonce.to_owned(),
        state_dir: state_dir.to_path_buf(),
        started_at: Timestamp::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::instance::tests::sample;

    fn process(pid: u32, birth: &str) -> Runner {
        Runner::Process { pid, birth: birth.into(), log: "/s/log".into() }
    }

    #[tokio::test]
    async fn a_reused_process_number_is_left_alone_and_its_state_is_cleared() {
        let dir = tempfile::tempdir().expect("dir");
        let settings = LocalSettings::at(dir.path().into(), []);
        let name = InstanceName::default();
        private_dir(&settings.instances_dir()).expect("dir");
        // This very process stands for the innocent one: had it been signalled, the test would not end.
        let mut stale = sample(process(std::process::id(), "ticks of another process"));
        stale.state_dir = dir.path().join("state");
        instance::save(&file_of(&settings, &name), &stale).expect("save");
        assert!(matches!(status(&settings, &name).await.expect("status"), Status::Ended { .. }));
        let mut events = Vec::new();
        let down = down(&settings, &name, &mut |event| events.push(event)).await.expect("down");
        assert_eq!((down.stopped, events.len()), (None, 1));
        assert!(matches!(events[0], LocalEvent::StaleRemoved { .. }));
        assert!(matches!(status(&settings, &name).await.expect("status"), Status::Stopped { .. }));
    }

    #[test]
    fn a_running_instance_is_reused_only_for_the_same_wish() {
        let instance = || sample(process(1, "b"));
        assert!(reuse(instance(), &UpOptions::default()).expect("same").reused);
        assert!(reuse(instance(), &UpOptions { port: Some(4566), ..UpOptions::default() }).is_ok());
        for other in [
            UpOptions { port: Some(1), ..UpOptions::default() },
            UpOptions { persist: true, ..UpOptions::default() },
            UpOptions { engine: Engine::LocalStack, ..UpOptions::default() },
        ] {
            let text = reuse(instance(), &other).expect_err("other").to_string();
            assert!(text.contains("cellctl local down"), "{text}");
        }
    }

    #[test]
    fn another_port_is_used_only_when_none_was_asked_for() {
        let held = launch::bind(0).expect("bind");
        let taken = held.local_addr().expect("address").port();
        assert!(matches!(choose_port(Some(taken), taken, &mut |_| {}), Err(LocalError::PortTaken { .. })));
        let mut events = Vec::new();
        let listener = choose_port(None, taken, &mut |event| events.push(event)).expect("another");
        let used = listener.local_addr().expect("address").port();
        assert_eq!(events, [LocalEvent::PortReplaced { taken, used }]);
    }
}
