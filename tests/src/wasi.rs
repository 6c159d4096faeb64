//! A stand-in for `wasmtime serve -S cli`, as far as the WASI adapter alone sees of it: what it links, a folder, and an
//! environment. Requests to upstreams go out in plain HTTP only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use plausible_mcp_host::compose::adapters;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Config, Engine, Result, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::adapter::{Adapter, Clock};

/// The adapter in this stand-in.
pub type WasiAdapter = Adapter<Instance>;

/// The data of one store.
pub struct Instance {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: PlainHttp,
}

impl WasiAdapter {
    /// The adapter with `state` as its folder (`None`: with none) and this environment.
    pub fn new(state: Option<&Path>, environment: &[(&str, &str)]) -> Result<Self> {
        let engine = Engine::new(&Config::new())?;
        let (_, wasm) = adapters().find(|(name, _)| *name == "wasi").expect("the table has it");
        let clock = Clock::default();
        let (time, state) = (clock.clone(), state.map(Path::to_owned));
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let new_store = Box::new(move |engine: &_| {
            let instance = Instance::new(state.as_ref(), &environment, time.clone()).expect("the folder can be opened");
            Store::new(engine, instance)
        });
        Adapter::linked(&linker(&engine)?, wasm, clock, new_store)
    }
}

/// What `wasmtime serve -S cli` links for a component of WASI 0.2.
pub fn linker(engine: &Engine) -> Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}

impl Instance {
    fn new(state: Option<&PathBuf>, environment: &[(String, String)], clock: Clock) -> Result<Self> {
        let mut wasi = WasiCtx::builder();
        wasi.envs(environment).inherit_stderr().wall_clock(clock);
        if let Some(folder) = state {
            wasi.preopened_dir(folder, "/state", FsPerms::ReadWrite)?;
        }
        let (table, http) = (ResourceTable::new(), WasiHttpCtx::new());
        Ok(Instance { table, wasi: wasi.build(), http, outgoing: PlainHttp })
    }
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

struct PlainHttp;

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for PlainHttp {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Done), Error>> + Send> {
        Box::new(async move {
            let response = send(request, options.and_then(|options| options.connect_timeout)).await?;
            Ok((response, Box::new(std::future::ready(Ok(()))) as Done))
        })
    }
}

/// The limits for the first byte and between bytes are left to the adapter's own.
async fn send(mut request: Request<WasiBody>, connecting: Option<Duration>) -> Result<Response<WasiBody>, Error> {
    let authority = request.uri().authority().map(ToString::to_string).ok_or(Error::HttpRequestUriInvalid)?;
    let connecting = timeout(connecting.unwrap_or(PATIENCE), TcpStream::connect(authority.clone())).await;
    let stream = connecting.map_err(|_| Error::ConnectionTimeout)?.map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let host = HeaderValue::try_from(authority).map_err(|_| Error::HttpRequestUriInvalid)?;
    request.headers_mut().insert(HOST, host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    Ok(sender.send_request(request).await?.map(|body| body.map_err(Error::from).boxed_unsync()))
}

/// The default of wasmtime.
const PATIENCE: Duration = Duration::from_secs(600);
