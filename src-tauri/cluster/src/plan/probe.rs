//! The last step: does the address answer, as a browser would ask?

use std::time::Duration;

use reqwest::{StatusCode, redirect::Policy};

use crate::{Error, ErrorKind, Result, address::client_for, error::chain};

/// The Ingress controller needs a moment to hear of new pods.
const LIMIT: Duration = Duration::from_secs(60);
const ONE_TRY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);

/// Ask `URL/health` until it is well.
pub(super) async fn wait(url: &str, report: &(dyn Fn(&str) + Sync)) -> Result<String> {
    let address = format!("{}/health", url.trim_end_matches('/'));
    let client = client_for(url).timeout(ONE_TRY).redirect(Policy::none()).build();
    let client = client.map_err(|error| unanswered(&address, &chain(&error)))?;
    let asked_since = tokio::time::Instant::now();
    loop {
        let why = match client.get(&address).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => return Ok(format!("{url} answers.")),
            Ok(answer) => format!("it answers {}", answer.status()),
            Err(error) => chain(&error.without_url()),
        };
        if asked_since.elapsed() > LIMIT {
            return Err(unanswered(&address, &why));
        }
        report(&format!("{address} does not answer yet: {why}."));
        tokio::time::sleep(PAUSE).await;
    }
}

fn unanswered(address: &str, why: &str) -> Error {
    Error::passing(
        ErrorKind::ClusterUnreachable,
        format!(
            "The pods are ready, but {address} does not answer within {} s: {why}. Check that the address leads to the \
             cluster's Ingress controller, then resume.",
            LIMIT.as_secs()
        ),
    )
}
