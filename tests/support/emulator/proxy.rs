//! A reverse proxy before the endpoint: it counts what goes over the wire, and can hold a request,
//! or change or lose its answer.
//!
//! Constraint kept: on loopback only, bodies are bounded, and requests pass unchanged; it ends when it is dropped.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes of a body; the largest is the code of a function.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Why a request gets no answer.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// An answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// A request that went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The service, as its signature names it.
    pub(crate) service: String,
    /// The action, or method for S3.
    pub(crate) action: String,
}

impl Seen {
    /// Whether it can change anything. What is not known to be reading is taken for writing.
    pub(crate) fn writes(&self) -> bool {
        let reading = ["Describe", "List", "Get", "Head", "Query", "Scan", "Batch", "GET", "HEAD"];
        !reading.iter().any(|prefix| self.action.starts_with(prefix))
    }
}

/// Which side of the endpoint a request is held on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The endpoint has not seen it.
    Before,
    /// The endpoint has answered; the program does not know.
    After,
}

struct Hold {
    matches: Box<dyn Fn(&Seen) -> bool + Send>,
    left: usize,
    when: When,
}

/// What becomes of an answer: another body, or none where the connection breaks before the answer gets through.
type Spoil = Box<dyn FnMut(&Seen, Bytes) -> Option<Bytes> + Send>;

/// What a request is answered with instead of being passed on; none for one that is.
type Refuse = Box<dyn FnMut(&Seen) -> Option<(u16, Bytes)> + Send>;

struct State {
    upstream: String,
    refuse: Mutex<Option<Refuse>>,
    spoil: Mutex<Option<Spoil>>,
    seen: Mutex<Vec<Seen>>,
    hold: Mutex<Option<Hold>>,
    held: watch::Sender<bool>,
    released: watch::Sender<bool>,
}

/// A running proxy.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Proxy {
    /// Starts one before `endpoint`.
    pub(crate) async fn start(endpoint: &str) -> Self {
        let upstream = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let state = Arc::new(State {
            upstream,
            refuse: Mutex::default(),
            spoil: Mutex::default(),
            seen: Mutex::default(),
            hold: Mutex::default(),
            held: watch::channel(false).0,
            released: watch::channel(false).0,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let passing = Arc::clone(&state);
        let server = tokio::spawn(serve(listener, move |request| pass(request, Arc::clone(&passing))));
        Self { port, state, server }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What went by so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// How many requests of this action went by.
    pub(crate) fn count(&self, action: &str) -> usize {
        lock(&self.state.seen).iter().filter(|seen| seen.action == action).count()
    }

    /// The `nth` request from now on (the first is 1) that matches is held until `release`.
    pub(crate) fn hold(&self, nth: usize, when: When, matches: impl Fn(&Seen) -> bool + Send + 'static) {
        *lock(&self.state.hold) = Some(Hold { matches: Box::new(matches), left: nth, when });
    }

    /// From now on each answer passes through `spoil`: it may change it, or lose it (none).
    pub(crate) fn spoil(&self, spoil: impl FnMut(&Seen, Bytes) -> Option<Bytes> + Send + 'static) {
        *lock(&self.state.spoil) = Some(Box::new(spoil));
    }

    /// From now on `refuse` answers requests, with a status and a body, that the endpoint then does not see.
    pub(crate) fn refuse(&self, refuse: impl FnMut(&Seen) -> Option<(u16, Bytes)> + Send + 'static) {
        *lock(&self.state.refuse) = Some(Box::new(refuse));
    }

    /// Waits until a request is held.
    pub(crate) async fn held(&self) {
        self.state.held.subscribe().wait_for(|held| *held).await.expect("the proxy runs");
    }

    /// Lets the held request go on, and holds no other.
    pub(crate) fn release(&self) {
        *lock(&self.state.hold) = None;
        self.state.released.send_replace(true);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers whatever comes in, until it is dropped.
pub(crate) async fn serve<A, F>(listener: TcpListener, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let mut connections = tokio::task::JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(answer.clone());
            // An error is a program that was killed.
            connections.spawn(async move {
                let _ = stream.set_nodelay(true);
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}

/// A request with all of its body, and its name.
pub(crate) async fn read(request: Request<Incoming>) -> Result<(Seen, Request<Full<Bytes>>, Bytes), Failure> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes();
    Ok((name(&head, &body), Request::from_parts(head, Full::new(body.clone())), body))
}

async fn pass(request: Request<Incoming>, state: Arc<State>) -> Result<Answer, Failure> {
    let (seen, request, _) = read(request).await?;
    if let Some((status, body)) = lock(&state.refuse).as_mut().and_then(|refuse| refuse(&seen)) {
        lock(&state.seen).push(seen);
        return Ok(Response::builder().status(status).body(Full::new(body))?);
    }
    let held = state.take_note(&seen);
    if held == Some(When::Before) {
        state.wait_for_release().await;
    }
    let answer = forward(&state.upstream, request).await;
    if held == Some(When::After) {
        state.wait_for_release().await;
    }
    state.spoil(&seen, answer?).await
}

impl State {
    /// Counts a request; says whether it is the one to hold.
    fn take_note(&self, seen: &Seen) -> Option<When> {
        lock(&self.seen).push(seen.clone());
        let mut hold = lock(&self.hold);
        let order = hold.as_mut().filter(|hold| (hold.matches)(seen))?;
        order.left -= 1;
        if order.left > 0 {
            return None;
        }
        hold.take().map(|order| order.when)
    }

    async fn spoil(&self, seen: &Seen, answer: Answer) -> Result<Answer, Failure> {
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = match lock(&self.spoil).as_mut() {
            None => body,
            Some(spoil) => {
                // These speak of the answer as it was.
                head.headers.remove(hyper::header::CONTENT_LENGTH);
                head.headers.remove("x-amz-crc32");
                spoil(seen, body).ok_or("the answer is lost")?
            }
        };
        Ok(Response::from_parts(head, Full::new(body)))
    }

    async fn wait_for_release(&self) {
        self.held.send_replace(true);
        // The sender lives as long as this.
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }
}

/// Passes a request on to `upstream`, a host and its port.
pub(crate) async fn forward(upstream: &str, mut request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
    // A connection for each request; what the program says of its own connection is not passed on.
    request.headers_mut().remove(hyper::header::CONNECTION);
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let (mut head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes();
        head.headers.remove(hyper::header::TRANSFER_ENCODING);
        head.headers.remove(hyper::header::CONNECTION);
        Ok::<_, Failure>(Response::from_parts(head, Full::new(body)))
    };
    // Errors of the connection reach the exchange, too.
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}

/// Service and action of a request.
fn name(head: &hyper::http::request::Parts, body: &[u8]) -> Seen {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    // `Credential=KEY/20260101/eu-central-1/s3/aws4_request`
    let scope = header("authorization").and_then(|text| text.split("Credential=").nth(1));
    let service = scope.and_then(|scope| scope.split('/').nth(3)).unwrap_or_default().to_owned();
    let target = header("x-amz-target").and_then(|target| target.split('.').nth(1)).map(str::to_owned);
    let query = || form_urlencoded::parse(body).find(|(key, _)| key == "Action").map(|(_, value)| value.into_owned());
    let action = match service.as_str() {
        "s3" => head.method.to_string(),
        _ => target.or_else(query).unwrap_or_else(|| head.method.to_string()),
    };
    Seen { service, action }
}
