//! The HTTP server.
//!
//! Owns: the listening socket, the thread and the connections. Constraint kept: on loopback only; request bodies are
//! bounded; dropping the server ends its thread and closes every connection.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::actions::{self, Reply};
use super::query::Request;
use super::world::World;

/// Bytes of a request body; the largest valid one is a template of 51,200 bytes with its escapes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a client may take over the head of a request.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port of the loopback interface, on a thread of its own.
    pub(crate) fn start(world: Arc<Mutex<World>>) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            // Registers the socket with that runtime; the caller may have one of its own.
            let _entered = runtime.enter();
            TcpListener::from_std(socket)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("scripted-endpoint".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, world) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by then; there is nothing to add to it here.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, world: Arc<Mutex<World>>) {
    // An accept that fails is the client's loss of one connection; the next one is another matter.
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&world)));
        }
    }
}

async fn converse(stream: TcpStream, world: Arc<Mutex<World>>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&world)));
    // The server's side of the socket; without it, small answers wait for the client's acknowledgements.
    let _ = stream.set_nodelay(true);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
    // An error is a lost answer that the script ordered, or a client that went away.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

/// The answer is not sent; the connection closes.
#[derive(Debug, thiserror::Error)]
#[error("the script loses this answer")]
struct Lost;

async fn answer(
    request: hyper::Request<Incoming>,
    world: Arc<Mutex<World>>,
) -> Result<hyper::Response<Full<Bytes>>, Lost> {
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await.map_err(|_| Lost)?.to_bytes();
    let request = Request::parse(&body, authorization.as_deref());
    let (reply, latency) = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        (actions::handle(&mut world, &request), world.settings.latency)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match reply {
        Reply::Closed => Err(Lost),
        Reply::Sent { status, body, id } => {
            let mut response = hyper::Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = hyper::StatusCode::from_u16(status).map_err(|_| Lost)?;
            let text = hyper::header::HeaderValue::from_static("text/xml");
            response.headers_mut().insert(hyper::header::CONTENT_TYPE, text);
            let id = hyper::header::HeaderValue::from_str(&id).map_err(|_| Lost)?;
            response.headers_mut().insert("x-amzn-requestid", id);
            Ok(response)
        }
    }
}
