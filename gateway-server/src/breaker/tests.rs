use std::io;

use tokio::time::advance;
use tunnel::{OpenError, Refusal};

use super::*;
use crate::{
    tunnels::TunnelError,
    upstream::{DialError, Phase},
};

const TRIPPING: Tripping = Tripping {
    failures: NonZeroU32::new(2).unwrap(),
    longest_pause: Duration::from_secs(5),
};

fn deadline() -> Arc<ConnectError> {
    Arc::new(ConnectError::Deadline { phase: Phase::Tls })
}

#[tokio::test(start_paused = true)]
async fn requests_are_refused_at_once_until_a_probe_works() {
    let breaker = Breaker::default();
    let attempt = || breaker.attempt(TRIPPING, || false);
    for _ in 0..2 {
        attempt().unwrap().failed(&deadline());
    }
    let refused = attempt().unwrap_err().to_string();
    assert!(
        refused.contains("TLS handshake did not finish"),
        "{refused}"
    );
    advance(Duration::from_secs(1)).await;
    let probe = attempt().unwrap();
    assert!(attempt().is_err());
    // Its caller leaves, so somebody else may probe.
    drop(probe);
    attempt().unwrap().failed(&deadline());
    advance(Duration::from_secs(1)).await;
    assert!(attempt().is_err());
    advance(Duration::from_secs(1)).await;
    attempt().unwrap().worked();
    assert!(attempt().is_ok());
    assert!(!breaker.is_troubled.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn what_looks_well_is_tried_and_closes_it() {
    let breaker = Breaker::default();
    for _ in 0..2 {
        let attempt = breaker.attempt(TRIPPING, || false);
        attempt.unwrap().failed(&deadline());
    }
    breaker.attempt(TRIPPING, || true).unwrap().worked();
    assert!(breaker.attempt(TRIPPING, || false).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_once_until_somebody_changes_it_does_not_open_it() {
    let breaker = Breaker::default();
    let through = |error| ConnectError::Dial(DialError::Tunnel(error));
    let refused = |refusal| through(TunnelError::Open(OpenError::Refused(refusal)));
    let untrusted = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    for _ in 0..3 {
        for error in [
            through(TunnelError::Absent),
            refused(Refusal::Forbidden),
            ConnectError::Tls(io::Error::other(untrusted())),
        ] {
            let attempt = breaker.attempt(TRIPPING, || false).unwrap();
            attempt.failed(&Arc::new(error));
        }
    }
    for _ in 0..2 {
        let attempt = breaker.attempt(TRIPPING, || false).unwrap();
        attempt.failed(&Arc::new(refused(Refusal::TimedOut)));
    }
    assert!(breaker.attempt(TRIPPING, || false).is_err());
}
