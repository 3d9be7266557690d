//! Asks an endpoint on this machine whether it is healthy.
//!
//! Constraint kept: an answer has a time limit and a size limit, and nothing but 127.0.0.1 is ever asked.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The health answers of both engines have some 3 KB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Why an endpoint is not healthy.
#[derive(Debug)]
pub(super) enum Unhealthy {
    /// It has ended, with this outcome.
    Ended(String),
    /// It did not answer well in time; this is what the last attempt saw.
    Late(String),
}

/// How long to wait for health, and how often to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// When to give up.
    pub(super) limit: Duration,
    /// The pause between questions.
    pub(super) pause: Duration,
}

/// Asks until an answer satisfies `accepts`, the endpoint has `ended`, or patience runs out.
pub(super) async fn wait(
    port: u16,
    path: &str,
    patience: Patience,
    accepts: impl Fn(&Value) -> bool,
    mut ended: impl AsyncFnMut() -> Option<String>,
) -> Result<(), Unhealthy> {
    let deadline = Instant::now() + patience.limit;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let reason = match get(port, path, remaining).await {
            Ok(answer) if accepts(&answer) => return Ok(()),
            Ok(_) => "something else answers".to_owned(),
            Err(reason) => reason,
        };
        if let Some(outcome) = ended().await {
            return Err(Unhealthy::Ended(outcome));
        }
        if Instant::now() + patience.pause >= deadline {
            return Err(Unhealthy::Late(reason));
        }
        tokio::time::sleep(patience.pause).await;
    }
}

/// The JSON that `http://127.0.0.1:port/path` answers with status 200.
pub(super) async fn get(port: u16, path: &str, limit: Duration) -> Result<Value, String> {
    let answered = tokio::time::timeout(limit, ask(port, path)).await;
    answered.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())
}

async fn ask(port: u16, path: &str) -> Result<Value, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(header::HOST, format!("127.0.0.1:{port}")).body(Empty::<Bytes>::new())?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
        if status.is_success() { Ok(serde_json::from_slice(&body)?) } else { Err(format!("status {status}").into()) }
    };
    // The connection moves the bytes that the exchange waits for, and ends when the exchange drops the sender. Its
    // errors reach the exchange, too.
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Patience = Patience { limit: Duration::from_millis(300), pause: Duration::from_millis(5) };

    async fn serve(answers: Vec<&'static str>) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("accept");
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn asks_again_until_the_answer_is_the_right_one() {
        let good = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n";
        let port = serve(vec!["HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "rubbish", good]).await;
        wait(port, "/", PATIENCE, |answer| answer["a"] == 1, async || None).await.expect("healthy");
    }

    #[tokio::test]
    async fn gives_up_at_the_limit_or_when_the_endpoint_has_ended() {
        let port = serve(vec![]).await;
        let late = wait(port, "/", PATIENCE, |_| true, async || None).await;
        assert!(matches!(late, Err(Unhealthy::Late(_))), "{late:?}");
        let ended = wait(port, "/", PATIENCE, |_| true, async || Some("exit 1".into())).await;
        assert!(matches!(ended, Err(Unhealthy::Ended(_))), "{ended:?}");
    }
}
