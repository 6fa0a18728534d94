//! The Containerfile builds the same images as `cargo xtask images`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::fs;

use images::{PROGRAMS, USER};

fn read(file: &str) -> String {
    fs::read_to_string(format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn it_has_a_target_for_each_program() {
    let text = read("Containerfile");
    let mut targets: Vec<_> = text.split("FROM scratch AS ").skip(1).collect();
    let sboms = targets.remove(0);
    assert!(sboms.starts_with("sboms\n"), "{sboms}");
    assert_eq!(targets.len(), PROGRAMS.len());
    for (target, program) in targets.iter().zip(PROGRAMS) {
        let wanted = [
            program.to_owned(),
            format!("COPY --from=build /images/{program}/ /"),
            format!("USER {USER}"),
            format!(r#"ENTRYPOINT ["/{program}"]"#),
        ];
        let lines: Vec<_> = target.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, wanted);
        assert!(
            sboms.contains(&format!(" /images/{program}.cdx.json ")),
            "{sboms}"
        );
    }
}

#[test]
fn it_builds_with_the_toolchain_of_the_workspace() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split("channel = \"").nth(1).unwrap();
    let channel = channel.split('"').next().unwrap();
    let text = read("Containerfile");
    assert!(text.contains(&format!("rust:{channel}-")), "{channel}");
}
