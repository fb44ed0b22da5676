//! Metrics over HTTP.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{convert::Infallible, fmt, io, thread};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tracing::{debug, info};

use super::{SharedCounters, to_json};

/// Connections at the same time; more wait.
const CONNECTIONS_MAX: usize = 16;

/// How long a peer may take for its request, and for the answer to it.
const PATIENCE: Duration = Duration::from_secs(10);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Serves a registry over HTTP/1.1, from a thread of its own.
///
/// | path | answer |
/// | --- | --- |
/// | `/metrics` | the registry as OpenMetrics text, which Prometheus reads |
/// | `/debug/vars` | the counters by opcode as JSON: `{"mc": …}`, see [`to_json`] |
///
/// Dropping it ends the thread and the connections.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    stop: watch::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

/// The metrics cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum MetricsError {
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no thread or no poller left.
    Thread(io::Error),
}

impl fmt::Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetricsError::Listen { address, source } => {
                write!(f, "metrics cannot be served on {address}: {source}")
            }
            MetricsError::Thread(source) => {
                write!(f, "the thread for the metrics does not start: {source}")
            }
        }
    }
}

impl std::error::Error for MetricsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MetricsError::Listen { source, .. } | MetricsError::Thread(source) => Some(source),
        }
    }
}

/// What requests are answered from.
struct Source {
    registry: Registry,
    counters: SharedCounters,
}

impl MetricsServer {
    /// Listens on `address` (port 0 lets the system choose) and begins to serve.
    ///
    /// # Errors
    /// [`MetricsError`] if the address is taken or not this machine's, or the system is short of threads.
    pub fn start(
        address: SocketAddr,
        registry: Registry,
        counters: SharedCounters,
    ) -> Result<MetricsServer, MetricsError> {
        let listen = |source| MetricsError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(MetricsError::Thread)?;
        let (stop, stopped) = watch::channel(());
        let source = Arc::new(Source { registry, counters });
        let serve = move || {
            if let Err(error) = runtime.block_on(accept(listener, source, stopped)) {
                debug!(%error, "metrics ended");
            }
        };
        let thread = thread::Builder::new()
            .name("metrics".into())
            .spawn(serve)
            .map_err(MetricsError::Thread)?;
        info!(%address, "serving metrics");
        Ok(MetricsServer {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens, with the port that was chosen for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Accepts connections until it is told to stop.
async fn accept(
    listener: TcpListener,
    source: Arc<Source>,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            // Nobody closes it.
            let place = Arc::clone(&places).acquire_owned().await;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => return (place, stream),
                    Err(error) => {
                        // Out of file descriptors, most likely: to try again at once would keep the processor busy.
                        debug!(%error, "no connection for metrics");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        };
        let (place, stream) = tokio::select! {
            next = next => next,
            _ = stopped.changed() => return Ok(()),
        };
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            let answer_one = service_fn(|request| {
                let answer = answer(&request, &source);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .keep_alive(false);
            let connection = http.serve_connection(TokioIo::new(stream), answer_one);
            if let Ok(Err(error)) = tokio::time::timeout(2 * PATIENCE, connection).await {
                debug!(%error, "a request for metrics failed");
            }
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, source: &Source) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    match request.uri().path() {
        "/metrics" => {
            let mut metrics = String::new();
            match text::encode(&mut metrics, &source.registry) {
                Ok(()) => response(StatusCode::OK, OPEN_METRICS, metrics),
                Err(error) => response(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    TEXT,
                    format!("a metric cannot be written: {error}\n"),
                ),
            }
        }
        "/debug/vars" => {
            let counters = json!({ "mc": to_json(&source.counters.sum()) });
            response(StatusCode::OK, JSON, format!("{counters}\n"))
        }
        "/" => response(
            StatusCode::OK,
            TEXT,
            "/metrics: for Prometheus\n/debug/vars: counters by opcode as JSON\n",
        ),
        _ => response(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /metrics and /debug/vars\n",
        ),
    }
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
