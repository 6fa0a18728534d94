//! Container images FROM scratch, without a container engine: a program of ours, what it loads, and
//! nothing else, as an OCI archive or as the files that the Containerfile copies.

mod archive;
mod contents;
mod libraries;
mod tree;

pub use archive::{Image, archive};
pub use contents::{ContentsError, of_program};
pub use libraries::{LibrariesError, loaded_by};
pub use tree::{PathTooLong, Tree};

/// What there are images of.
pub const PROGRAMS: [&str; 3] = ["agent", "gateway-server", "operator"];
/// Where releases are.
pub const REGISTRY: &str = "ghcr.io/spokeway";
/// Whom a program runs as: nobody that the image knows.
pub const USER: &str = "65532:65532";

/// The name that a program's image has in this release.
pub fn name(registry: &str, program: &str) -> String {
    format!("{registry}/{program}:v{}", env!("CARGO_PKG_VERSION"))
}

/// The image of a program of ours; see [`of_program`] for what is in it.
pub fn image(registry: &str, program: &str) -> Image {
    Image {
        name: name(registry, program),
        entrypoint: vec![format!("/{program}")],
        user: USER.to_owned(),
        ..Image::default()
    }
}
