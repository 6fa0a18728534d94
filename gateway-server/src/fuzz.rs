//! Feeds arbitrary bytes to everything that decodes what callers, agents, other replicas and objects
//! of the hub say, and checks what must always be true. The targets in `fuzz/` and the test of their
//! corpus call this.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    attach, authentication, clusters, door, grants, peers,
    route::{self, Endpoint, Route},
};

/// Tests the path of a request. A tail that passes is a suffix of the path and climbs nowhere.
pub fn path(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return;
    };
    let route = route::route(path);
    if let Ok(Route::Endpoint(Endpoint::Proxy { tail, .. })) = route {
        assert!(path.ends_with(tail));
        let decoded = percent_encoding::percent_decode_str(tail).decode_utf8_lossy();
        let mut segments = decoded.split('/');
        assert!(
            !segments.any(|segment| segment == ".." || segment == "."),
            "{path}"
        );
    }
}

/// Tests the news of another replica. Each line that is understood is written and read back
/// unchanged.
pub fn news(bytes: &[u8]) {
    peers::fuzz_news(&String::from_utf8_lossy(bytes));
}

/// Tests what a caller's connection begins with. It passes unchanged, unless a target is too long.
pub fn connection(bytes: &[u8]) {
    door::fuzz(bytes);
}

/// Tests the headers that name a caller, one per line. None of them is left once they are forgotten.
pub fn caller(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let header = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = header {
            headers.append(name, value);
        }
    }
    authentication::fuzz(headers);
}

/// Tests a certificate in DER. An agent's certificate speaks for no cluster but that of its name.
pub fn certificate(bytes: &[u8]) {
    attach::fuzz(bytes);
}

/// Tests `AccessGrant`s, one JSON document per line, after a line with the name of a caller and one
/// with its groups. Nobody acts without a grant on a cluster where grants are used, and nobody as
/// anything but itself and the groups of grants.
pub fn grants(bytes: &[u8]) {
    grants::fuzz(&String::from_utf8_lossy(bytes));
}

/// Tests a cluster's Secret in JSON. No fault repeats its token.
pub fn secret(bytes: &[u8]) {
    if let Ok(secret) = serde_json::from_slice(bytes) {
        clusters::fuzz_secret(&secret);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Runs each file of a corpus.
    fn run(target: &str, one: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        let mut seen = 0;
        for entry in std::fs::read_dir(corpus.join(target)).unwrap() {
            one(&std::fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 3, "the corpus of {target} has {seen} files");
    }

    #[test]
    fn the_corpus_of_the_fuzz_targets_passes() {
        run("path", super::path);
        run("connection", super::connection);
        run("peer_news", super::news);
        run("caller", super::caller);
        run("agent_certificate", super::certificate);
        run("access_grants", super::grants);
        run("cluster_secret", super::secret);
    }
}
