//! The image reference of the agent on one cluster, and the Secrets with which it is pulled.

use crds::{
    addon::{AddOnDeploymentConfigSpec, ImageMirror, PULL_SECRET},
    gateway::SecretReference,
};
use serde::Deserialize;

use super::super::selected_cluster::SelectedCluster;

/// Annotation of a managed cluster that lists registry mirrors.
const REGISTRIES: &str = "open-cluster-management.io/image-registries";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Registries {
    registries: Vec<ImageMirror>,
}

/// The image after the mirrors of the configuration, or else those of the managed cluster, are
/// applied.
pub(super) fn of_agent(
    cluster: &SelectedCluster<'_>,
    config: &AddOnDeploymentConfigSpec,
) -> String {
    let image = &cluster.observed.installation.agent_image;
    if !config.registries.is_empty() {
        return mirrored(image, &config.registries);
    }
    let cluster = cluster.managed_cluster();
    let annotations = cluster.and_then(|cluster| cluster.metadata.annotations);
    let text = annotations.and_then(|mut all| all.remove(REGISTRIES));
    // An invalid annotation is ignored.
    let registries = text.and_then(|text| serde_json::from_str::<Registries>(&text).ok());
    mirrored(image, &registries.unwrap_or_default().registries)
}

/// The Secret that the klusterlet copies, and those of the configuration. A kubelet goes without one
/// that does not exist.
pub(super) fn pull_secrets(cluster: &SelectedCluster<'_>) -> Vec<SecretReference> {
    let copied = SecretReference {
        name: PULL_SECRET.to_owned(),
    };
    let own = cluster.spec.agents.image_pull_secrets.iter();
    let mut all = vec![copied];
    for secret in own {
        if !all.contains(secret) {
            all.push(secret.clone());
        }
    }
    all
}

/// If several mirrors match, the last one is used, as in the add-on framework.
fn mirrored(image: &str, mirrors: &[ImageMirror]) -> String {
    let mut fitting = mirrors.iter().rev().filter_map(|mirror| {
        let to = mirror.mirror.trim_end_matches('/');
        let source = mirror.source.trim_end_matches('/');
        if source.is_empty() {
            let name = image.rsplit('/').next().unwrap_or(image);
            return Some(format!("{to}/{name}"));
        }
        let rest = image.strip_prefix(source)?;
        rest.starts_with('/').then(|| format!("{to}{rest}"))
    });
    fitting.next().unwrap_or_else(|| image.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(source: &str, mirror: &str) -> ImageMirror {
        ImageMirror {
            source: source.to_owned(),
            mirror: mirror.to_owned(),
        }
    }

    #[test]
    fn a_mirror_replaces_whole_parts_of_a_name() {
        let image = "ghcr.io/spokeway/agent:v1";
        let cases = [
            (vec![], image),
            (
                vec![mirror("ghcr.io/spokeway", "local:5000/x/")],
                "local:5000/x/agent:v1",
            ),
            (vec![mirror("ghcr.io/spoke", "local:5000")], image),
            (vec![mirror("", "local:5000")], "local:5000/agent:v1"),
            (
                vec![mirror("ghcr.io", "first"), mirror("ghcr.io", "last")],
                "last/spokeway/agent:v1",
            ),
        ];
        // A digest stays, because a mirror has the same images.
        for digest in ["", "@sha256:00"] {
            let image = format!("{image}{digest}");
            for (mirrors, wanted) in &cases {
                let wanted = format!("{wanted}{digest}");
                assert_eq!(mirrored(&image, mirrors), wanted, "{mirrors:?}");
            }
        }
    }
}
