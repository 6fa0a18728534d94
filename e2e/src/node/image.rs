//! A container image made from one static program, FROM scratch and without a container engine: an
//! OCI layout in a tar archive, as `ctr images import` takes it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BLOCK: usize = 512;
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Where an image's name is, for containerd.
const NAME: &str = "io.containerd.image.name";

/// The names under which the one program is to be found, hard links to it.
const LINKS: &[&str] = &["sh", "cat", "tar", "test", "sleep", "echo"];

/// An archive with an image per name and command. All share one layer with `program` in it.
pub(super) fn archive(program: &[u8], images: &[(&str, &[&str])]) -> Vec<u8> {
    let layer = layer(program);
    let mut archive = Tar::default();
    let layer_descriptor = blob(&mut archive, LAYER, &layer);
    let mut manifests = Vec::new();
    for (name, command) in images {
        let config = config(&layer_descriptor, command);
        let config = blob(&mut archive, CONFIG, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config,
            "layers": [layer_descriptor],
        });
        let mut manifest = blob(&mut archive, MANIFEST, manifest.to_string().as_bytes());
        manifest["annotations"] = json!({NAME: name});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    archive.file("index.json", 0o644, index.to_string().as_bytes());
    archive.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#);
    archive.finish()
}

fn layer(program: &[u8]) -> Vec<u8> {
    let mut layer = Tar::default();
    for directory in ["bin/", "tmp/"] {
        layer.entry(directory, 0o777, b'5', "", &[]);
    }
    layer.file("bin/toolbox", 0o755, program);
    for link in LINKS {
        layer.entry(&format!("bin/{link}"), 0o755, b'1', "bin/toolbox", &[]);
    }
    layer.finish()
}

fn config(layer: &Value, command: &[&str]) -> Value {
    json!({
        "os": "linux",
        "architecture": match std::env::consts::ARCH { "aarch64" => "arm64", _ => "amd64" },
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "config": {"Env": ["PATH=/bin"], "Entrypoint": ["toolbox"], "Cmd": command},
    })
}

/// Adds a blob and describes it.
fn blob(archive: &mut Tar, media_type: &str, content: &[u8]) -> Value {
    let digest = Sha256::digest(content);
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        // A String takes all that is written to it.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    archive.file(&format!("blobs/sha256/{hex}"), 0o644, content);
    json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": content.len()})
}

/// A tar archive in the making: ustar, everything of root's and from 1970.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, mode, b'0', "", content);
    }

    fn entry(&mut self, path: &str, mode: u32, kind: u8, target: &str, content: &[u8]) {
        let mut header = [0; BLOCK];
        let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{:011o}", content.len()).as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(content);
        let padded = self.0.len().next_multiple_of(BLOCK);
        self.0.resize(padded, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn an_image_is_an_archive_that_tar_reads() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("image.tar");
        std::fs::write(&file, archive(b"#!", &[("a:1", &["pause"]), ("b:1", &[])])).unwrap();
        let listed = Command::new("tar").arg("tvf").arg(&file).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert_eq!(listed.matches("blobs/sha256/").count(), 5, "{listed}");
        assert!(listed.contains("index.json"), "{listed}");

        std::fs::write(&file, layer(b"#!")).unwrap();
        let listed = Command::new("tar").arg("tvf").arg(&file).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.contains("bin/sh link to bin/toolbox"), "{listed}");
    }
}
