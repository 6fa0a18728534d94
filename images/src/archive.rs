//! An OCI layout in a tar archive, which `ctr images import`, `docker load` and `skopeo` accept.

use serde_json::{Value, json};

use crate::{digest::sha256, tree::Tree};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The annotation in which containerd expects the name of an image.
const NAME: &str = "io.containerd.image.name";

/// The name of an image, and how to run it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Image {
    /// The name with its tag.
    pub name: String,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The default for further arguments.
    pub command: Vec<String>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<String>,
    /// User and group. Empty stands for root.
    pub user: String,
}

/// An archive, and what its images are known by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archive {
    /// The bytes of the tar archive.
    pub bytes: Vec<u8>,
    /// The digest of each image's manifest, as `sha256:…`.
    pub digests: Vec<String>,
}

/// An archive of images that share one layer with these files. The same input gives the same bytes.
pub fn archive(files: &Tree, images: &[Image]) -> Archive {
    let mut blobs = Blobs::default();
    let layer = blobs.add(LAYER, files.tar());
    let (mut manifests, mut digests) = (Vec::new(), Vec::new());
    for image in images {
        let config = blobs.add(CONFIG, image.config(&layer).to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
        });
        let content = manifest.to_string().into_bytes();
        digests.push(digest(&content));
        let mut manifest = blobs.add(MANIFEST, content);
        manifest["annotations"] = json!({NAME: image.name});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    blobs.file("index.json", index.to_string().into_bytes());
    blobs.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    Archive {
        bytes: blobs.0.tar(),
        digests,
    }
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", sha256(content))
}

impl Image {
    fn config(&self, layer: &Value) -> Value {
        json!({
            "os": "linux",
            "architecture": match std::env::consts::ARCH { "aarch64" => "arm64", _ => "amd64" },
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            "config": {
                "Env": self.environment, "Entrypoint": self.entrypoint, "Cmd": self.command,
                "User": self.user,
            },
        })
    }
}

#[derive(Default)]
struct Blobs(Tree);

impl Blobs {
    /// Adds a blob, and returns its descriptor.
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let (digest, size) = (digest(&content), content.len());
        self.file(&format!("blobs/{}", digest.replace(':', "/")), content);
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }

    fn file(&mut self, path: &str, content: Vec<u8>) {
        let fits = self.0.file(path, 0o644, content);
        fits.expect("paths of an OCI layout are short");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Image {
        Image {
            name: name.to_owned(),
            entrypoint: vec!["/tool".to_owned()],
            user: "65532:65532".to_owned(),
            ..Image::default()
        }
    }

    #[test]
    fn images_of_one_archive_share_their_layer() {
        let mut files = Tree::default();
        files.file("tool", 0o755, b"#!".to_vec()).unwrap();
        let archive = archive(&files, &[image("a:1"), image("b:1")]);
        let text = String::from_utf8_lossy(&archive.bytes);
        // There are one layer, two manifests, and one config, because the config does not contain
        // the name.
        assert_eq!(text.matches("blobs/sha256/").count(), 4, "{text}");
        assert!(
            text.contains(r#""io.containerd.image.name":"b:1""#),
            "{text}"
        );
        assert!(text.contains(r#""User":"65532:65532""#), "{text}");
    }

    #[test]
    fn the_digest_of_an_image_is_that_of_its_manifest() {
        let mut files = Tree::default();
        files.file("tool", 0o755, b"#!".to_vec()).unwrap();
        let Archive { bytes, digests } = archive(&files, &[image("a:1")]);
        let text = String::from_utf8_lossy(&bytes);
        let named = format!(r#""digest":"{}""#, digests[0]);
        assert!(text.contains(&named), "{text}");
        // A registry calls an image by the digest of the manifest's bytes, which are behind their
        // header in the archive.
        let path = format!("blobs/{}\0", digests[0].replace(':', "/"));
        let header = bytes
            .windows(path.len())
            .position(|at| at == path.as_bytes());
        let header = &bytes[header.unwrap()..];
        let size = std::str::from_utf8(&header[124..135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        let manifest = &header[512..512 + size];
        assert_eq!(digest(manifest), digests[0]);
        let manifest: Value = serde_json::from_slice(manifest).unwrap();
        assert_eq!(manifest["mediaType"], MANIFEST);
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let build = |paths: [&str; 2]| {
            let mut files = Tree::default();
            for path in paths {
                files.file(path, 0o644, path.into()).unwrap();
            }
            archive(&files, &[image("a:1")])
        };
        assert_eq!(build(["x", "y"]), build(["y", "x"]));
    }
}
