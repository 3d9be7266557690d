//! An address that is asked: the status it answers with.
//!
//! Constraints kept: one time-out over all of it; no redirect is followed; the body is not read; what is not encrypted
//! stays on this machine.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::USER_AGENT;
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::ports::rollout::NoAnswer;

/// Who asks.
const AGENT: &str = concat!("cellctl/", env!("CARGO_PKG_VERSION"));

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// The client; it is made when it is needed first, since it reads the machine's certificates.
#[derive(Default)]
pub(super) struct Http(OnceLock<Result<HttpClient, String>>);

impl Http {
    /// The status that an address answers with.
    pub(super) async fn get(&self, url: &str, timeout: Duration) -> Result<u16, NoAnswer> {
        let address = allowed(url).map_err(NoAnswer::Failed)?;
        let client = self.0.get_or_init(client).as_ref().map_err(|error| NoAnswer::Failed(error.clone()))?;
        let request = Request::get(address).header(USER_AGENT, AGENT).body(Empty::new());
        let request = request.map_err(|error| NoAnswer::Failed(format!("{url} cannot be asked: {error}")))?;
        match tokio::time::timeout(timeout, client.request(request)).await {
            Err(_) => Err(NoAnswer::TimedOut),
            Ok(Err(error)) => Err(NoAnswer::Failed(format!("{url} does not answer: {}", with_causes(&error)))),
            // The connection is closed with the body unread.
            Ok(Ok(answer)) => Ok(answer.status().as_u16()),
        }
    }
}

/// Each request has a connection of its own: one that was kept would tell nothing of a server that takes no new ones.
fn client() -> Result<HttpClient, String> {
    let roots = HttpsConnectorBuilder::new().with_native_roots();
    let roots = roots.map_err(|error| format!("the certificates of this machine cannot be read: {error}"))?;
    let connector = roots.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}

/// An address that may be asked: any by HTTPS, one of this machine also by HTTP.
fn allowed(url: &str) -> Result<Uri, String> {
    let address: Uri = url.parse().map_err(|error| format!("{url} is no address: {error}"))?;
    match (address.scheme_str(), address.host()) {
        (Some("https"), Some(_)) => Ok(address),
        (Some("http"), Some(host)) if is_loopback(host) => Ok(address),
        (Some("http"), Some(_)) => {
            Err(format!("{url} is not asked: only this machine is asked without TLS; use https"))
        }
        _ => Err(format!("{url} is not asked: it must begin with https:// and name a host")),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An error with its causes, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut parts: Vec<String> = causes.map(ToString::to_string).collect();
    parts.dedup();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_encrypted_stays_on_this_machine() {
        for good in
            ["https://shop.example/health", "http://localhost:1/x", "http://127.0.0.1:8080/", "http://[::1]:80/"]
        {
            assert!(allowed(good).is_ok(), "{good}");
        }
        for bad in [
            "http://shop.example/",
            "http://169.254.169.254/",
            "http://127.0.0.1.example/",
            "ftp://localhost/",
            "/x",
            "",
        ] {
            assert!(allowed(bad).is_err(), "{bad}");
        }
    }
}
