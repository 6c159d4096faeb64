//! An exchange with Plausible that two calls share goes on for the one when the client of the other leaves.

use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client;
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::{ends, metric, question, reaches};

#[tokio::test]
async fn an_exchange_goes_on_for_whoever_stays() {
    let (upstream, held) = Upstream::holding(stub_sites::answer).await;
    let host = Harness::start(upstream, &[]).await;
    let metrics = host.host().metrics();
    let mut leaves = TcpStream::connect(host.address()).await.expect("the host is reached");
    leaves.write_all(&question().to_bytes()).await.expect("the host reads");
    ends("the question", held.arrived(1)).await;
    let address = host.address();
    let stays = tokio::spawn(async move { http_client::send(address, &question()).await });
    reaches(metrics, "http_requests_in_flight", 2).await;
    drop(leaves);
    reaches(metrics, "instances_dropped_total{reason=\"left\"}", 1).await;
    held.release(1);
    let answer = ends("an answer", stays).await.expect("no panic").expect("the host is reached");
    let answer = answer.expect("the host answers");
    assert!(answer.text().contains("event:page 0"), "{}", answer.text());
    assert_eq!(host.upstream.take().len(), 1, "it was one exchange");
    assert_eq!(metric(metrics, "outbound_requests_total{outcome=\"abandoned\"}"), 0);
}
