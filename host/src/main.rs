use plausible_mcp_host::*;
#[tokio::main]
async fn main() {
    let host = Host::new(HostOptions::new(Settings::load(None, None).unwrap())).await.unwrap();
    let server = Server::bind("127.0.0.1:8787".parse().unwrap(), host).await.unwrap();
    println!("{}", server.address());
    server.run(async { let _ = tokio::signal::ctrl_c().await; }).await;
}
