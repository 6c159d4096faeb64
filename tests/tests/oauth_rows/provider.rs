//! The simulated provider behind sockets of this machine: http for logins, https for client metadata documents.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use plausible_mcp_component::gateway::federation::simulated_provider::{Answer, Fault, SimulatedProvider};
use plausible_mcp_component::ports::FixedClock;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A provider that can be reached.
pub(super) struct ProviderSockets {
    pub(super) provider: Arc<SimulatedProvider>,
    documents: SocketAddr,
}

impl ProviderSockets {
    /// Listens on free ports. The tasks end with the runtime.
    pub(super) async fn open(clock: FixedClock) -> ProviderSockets {
        let (logins, login_address) = listen().await;
        let (documents, document_address) = listen().await;
        let team = format!("http://localhost:{}", login_address.port());
        let provider = Arc::new(SimulatedProvider::new(&team, clock));
        let shared = Arc::clone(&provider);
        tokio::spawn(async move {
            while let Ok((stream, _)) = logins.accept().await {
                tokio::spawn(serve(stream, team.clone(), Arc::clone(&shared)));
            }
        });
        let shared = Arc::clone(&provider);
        tokio::spawn(async move {
            while let Ok((stream, _)) = documents.accept().await {
                let origin = format!("https://localhost:{}", document_address.port());
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that does not trust the certificate ends the handshake.
                    let Ok(stream) = AUTHORITY.acceptor.accept(stream).await else { return };
                    serve(stream, origin, shared).await;
                });
            }
        });
        ProviderSockets { provider, documents: document_address }
    }

    /// The address of a document, by the name that the certificate is for.
    pub(super) fn document(&self, name: &str) -> String {
        format!("https://localhost:{}/{name}", self.documents.port())
    }

    /// The same by a name that it is not for.
    pub(super) fn untrusted_document(&self, name: &str) -> String {
        format!("https://{}/{name}", self.documents)
    }
}

/// The file with the certificate that documents are served with.
pub(super) fn authority_file() -> &'static str {
    AUTHORITY.file.to_str().expect("the folder's name is text")
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("a bound listener has an address");
    (listener, address)
}

/// Answers one request, or does what the provider's flaw is.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, origin: String, provider: Arc<SimulatedProvider>) {
    let mut stream = BufReader::new(stream);
    let Some((path, body)) = read(&mut stream).await else { return };
    let bytes = match provider.answer(&format!("{origin}{path}"), &body) {
        Ok(answer) => written(&answer),
        Err(Fault::Flood) => {
            let body = "x".repeat(1 << 20);
            written(&Answer { status: 200, media_type: "application/json", body })
        }
        Err(Fault::Garbage) => b"\0 this is not HTTP\r\n\r\n".to_vec(),
        Err(Fault::Silence) => return std::future::pending().await,
        Err(Fault::Closed | Fault::Answer(..) | Fault::Typed(..)) => return,
    };
    // Who has read enough closes the connection.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// The path with its query, and the body.
async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((path, body))
}

fn written(answer: &Answer) -> Vec<u8> {
    let Answer { status, media_type, body } = answer;
    let length = body.len();
    format!(
        "HTTP/1.1 {status} -\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A certificate for `localhost` that is its own authority, made anew by every run.
struct Authority {
    acceptor: TlsAcceptor,
    file: PathBuf,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("authority-{}.pem", std::process::id()));
    std::fs::write(&file, made.cert.pem()).expect("the folder for tests can be written");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let configuration = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
        .expect("certificate and key fit");
    Authority { acceptor: TlsAcceptor::from(Arc::new(configuration)), file }
});
