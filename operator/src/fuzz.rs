//! Feeds arbitrary bytes to everything that decodes what agents and objects of the hub say, and
//! checks what must always be true. The targets in `fuzz/` and the test of their corpus call this.

use std::time::Duration;

use crds::addon;
use jiff::Timestamp;
use kube::{core::DynamicObject, runtime::watcher::Event};

use crate::{
    key::Key,
    kind::Kind,
    observed::{Installation, Observed},
    plan,
};

/// Tests a certificate request in DER, as an agent sends it. It fits only if it asks for the name
/// of that agent.
pub fn certificate_request(bytes: &[u8]) {
    plan::enrolment::fuzz_certificate_request(bytes);
}

/// Tests objects of the hub, one JSON document per line. Every part of the hub is planned, and the
/// same objects always give the same plan.
pub fn objects(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut observed = Observed::new(Installation {
        namespace: "spokeway-system".to_owned(),
        addons: addon::Version::V1beta1,
        agent_image: "agent".to_owned(),
        gateway_image: "gateway-server".to_owned(),
        allowed_images: Vec::new(),
        patience: Duration::ZERO,
    });
    let objects: Vec<_> = text.lines().filter_map(read).collect();
    let now = Timestamp::constant(1_800_000_000, 0);
    for kind in Kind::ALL.iter().copied() {
        observed.observe(kind, Event::Init, now);
        for (_, object) in objects.iter().filter(|(own, _)| *own == kind) {
            observed.observe(kind, Event::InitApply(object.clone()), now);
        }
        observed.observe(kind, Event::InitDone, now);
    }
    for key in keys(&observed) {
        let plan = plan::by_key(&observed, &key, now);
        assert_eq!(plan, plan::by_key(&observed, &key, now), "{key:?}");
    }
}

fn read(line: &str) -> Option<(Kind, DynamicObject)> {
    let object: DynamicObject = serde_json::from_str(line).ok()?;
    let name = object.types.as_ref()?.kind.as_str();
    let mut kinds = Kind::ALL.iter().copied();
    // An API server gives every object a name.
    object.metadata.name.as_ref()?;
    Some((kinds.find(|kind| kind.as_str() == name)?, object))
}

fn keys(observed: &Observed) -> Vec<Key> {
    let mut keys = vec![Key::Hub, Key::Status];
    keys.extend(observed.grants.keys().cloned().map(Key::Grant));
    for cluster in observed.clusters() {
        keys.push(Key::Cluster(cluster.to_owned()));
        keys.push(Key::Access(cluster.to_owned()));
    }
    keys
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
        run("certificate_request", super::certificate_request);
        run("hub_objects", super::objects);
    }
}
