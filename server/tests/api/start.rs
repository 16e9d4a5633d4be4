use flotilla::store::Store;
use futures::future::join_all;

use crate::database::database_url;

#[tokio::test(flavor = "multi_thread")]
async fn of_servers_that_start_together_all_share_postgresql_and_one_gets_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_url(&folder).await;
    let opened: Vec<_> = join_all((0..8).map(|_| Store::open(&url))).await;
    let (stores, refusals): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    let is_shared = url.expose().starts_with("postgres");
    let refusals: Vec<_> = refusals.into_iter().map(|refusal| format!("{:#}", refusal.err().unwrap())).collect();
    assert_eq!(stores.len(), if is_shared { 8 } else { 1 }, "{refusals:?}");
    assert!(refusals.iter().all(|refusal| refusal.contains("another Flotilla uses")), "{refusals:?}");
}
