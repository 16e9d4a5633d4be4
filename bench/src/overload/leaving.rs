use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::time::sleep;

use super::{
    PAUSE, Recital, at,
    client::{Client, question},
};
use crate::{Setup, table::Table};

pub const TIMES: usize = 50;
/// Until the next request is in line.
const IN_LINE: Duration = Duration::from_millis(100);

pub async fn measure(setup: &Setup, targets: &mut Table) -> anyhow::Result<()> {
    eprintln!("overload: leaving");
    let recital = Recital::start(setup, 1, 1)?;
    let client = Client::new(&recital.server.endpoint(), Ipv4Addr::LOCALHOST);
    let mut times = Histogram::new(3)?;
    for _ in 0..TIMES {
        let mut leaving = client.connection().await?;
        let answer = question().begin(&mut leaving).await?;
        let leaves = async {
            sleep(IN_LINE).await;
            drop((answer, leaving));
            Instant::now()
        };
        let (left, next) = tokio::join!(leaves, client.ask());
        let waited = next?.first_piece() - left;
        times.record(waited.saturating_sub(PAUSE).as_micros() as u64)?;
    }
    let cells = [
        "a client leaves, until the next is answered, longest".to_owned(),
        format!("{:.1}", at(&times, 1.0)),
        String::new(),
        String::new(),
    ];
    targets.compare(cells, "≤ 1000", Some(at(&times, 1.0) <= 1000.0));
    Ok(())
}
