//! The verifier with the authorities that the host trusts. All clusters share it, because it holds more
//! than a hundred certificates.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use runtime::trust;
use rustls::client::danger::ServerCertVerifier;
use tokio::time::Instant;

/// How long it is used for new clusters before it is read again.
const FRESH: Duration = Duration::from_mins(10);

static KNOWN: Mutex<Option<(Instant, Arc<dyn ServerCertVerifier>)>> = Mutex::new(None);

/// `None` if the host trusts nobody.
pub(super) fn verifier(now: Instant) -> Option<Arc<dyn ServerCertVerifier>> {
    let mut known = KNOWN.lock();
    if let Some((read, verifier)) = &*known
        && now < *read + FRESH
    {
        return Some(Arc::clone(verifier));
    }
    let authorities = trust::of_the_host();
    if authorities.is_empty() {
        return None;
    }
    let verifier = trust::verifier(authorities);
    *known = Some((now, Arc::clone(&verifier)));
    Some(verifier)
}
