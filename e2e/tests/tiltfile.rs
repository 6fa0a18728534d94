//! The Tiltfile, run by a Starlark interpreter in which Tilt's functions print their arguments.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::programs::{HELM, Programs, STARLARK};
use serde_json::Value;

/// Tilt's functions with their parameters. Each prints its call.
const TILT: &str = r#"
def _tell(call, **arguments):
    print(json.encode({"call": call, "arguments": arguments}))

def k8s_context():
    return "CONTEXT"

def local_resource(name, cmd, deps = [], resource_deps = [], labels = []):
    _tell("local_resource", name = name, cmd = cmd, deps = deps, resource_deps = resource_deps)

def docker_build(ref, context, dockerfile, target, only, match_in_env_vars = False):
    _tell("docker_build", ref = ref, context = context, dockerfile = dockerfile, target = target, only = only)

def watch_file(path):
    _tell("watch_file", path = path)

def local(command, quiet = False):
    _tell("local", command = command)
    return {"blob": command}

def k8s_yaml(yaml):
    _tell("k8s_yaml", path = yaml if type(yaml) == "string" else None)

def k8s_resource(workload, resource_deps = []):
    _tell("local_resource", name = workload, cmd = "", deps = [], resource_deps = resource_deps)
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The calls of Tilt's functions in order, or the interpreter's error.
fn run(text: &str, context: &str) -> Result<Vec<Value>, String> {
    let programs = Programs::ensure(&[&STARLARK]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Tiltfile");
    fs::write(&file, TILT.replace("CONTEXT", context) + text).unwrap();
    // Like Tilt, it allows statements outside of functions.
    let mut starlark = Command::new(programs.path("starlark"));
    let output = starlark.arg("-globalreassign").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if !output.status.success() {
        return Err(said);
    }
    let call = |line: &str| serde_json::from_str(line).unwrap();
    Ok(said.lines().map(call).collect())
}

fn tiltfile() -> String {
    fs::read_to_string(root().join("Tiltfile")).unwrap()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let all = value.as_array().into_iter().flatten();
    all.map(|it| it.as_str().unwrap())
}

#[test]
fn all_that_it_names_is_there() {
    let calls = run(&tiltfile(), "kind-hub").unwrap();
    let mut resources = Vec::new();
    let mut targets = Vec::new();
    for call in &calls {
        let arguments = &call["arguments"];
        let paths = ["context", "dockerfile", "path"].into_iter();
        let paths = paths.filter_map(|name| arguments[name].as_str());
        let lists = strings(&arguments["deps"]).chain(strings(&arguments["only"]));
        for path in paths.chain(lists) {
            assert!(root().join(path).exists(), "{path} of {call}");
        }
        for needed in strings(&arguments["resource_deps"]) {
            assert!(resources.contains(&needed), "{needed} of {call}");
        }
        if call["call"] == "local_resource" {
            resources.push(arguments["name"].as_str().unwrap());
        }
        if let (Some(target), Some(name)) =
            (arguments["target"].as_str(), arguments["ref"].as_str())
        {
            assert_eq!(name, format!("{}/{target}", images::REGISTRY));
            targets.push(target);
        }
    }
    targets.push("agent");
    let agent = format!("--target agent --tag {}/agent:dev ", images::REGISTRY);
    let by_hand = |call: &Value| {
        call["arguments"]["cmd"]
            .as_str()
            .is_some_and(|it| it.contains(&agent))
    };
    assert!(calls.iter().any(by_hand), "{calls:?}");
    targets.sort_unstable();
    assert_eq!(targets, images::PROGRAMS);
}

#[test]
fn its_sources_are_all_that_the_containerfile_takes() {
    let calls = run(&tiltfile(), "kind-hub").unwrap();
    let build = calls
        .iter()
        .find(|call| call["call"] == "docker_build")
        .unwrap();
    let only: Vec<_> = strings(&build["arguments"]["only"]).collect();
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace
        .lines()
        .find_map(|line| line.strip_prefix("members = "))
        .unwrap();
    for member in serde_json::from_str::<Vec<String>>(members).unwrap() {
        assert!(only.contains(&member.as_str()), "{member}");
    }
}

#[test]
fn its_chart_renders() {
    let calls = run(&tiltfile(), "kind-hub").unwrap();
    let local = calls.iter().find(|call| call["call"] == "local").unwrap();
    let command = local["arguments"]["command"].as_str().unwrap();
    let arguments = command.strip_prefix("helm ").unwrap().split(' ');
    let programs = Programs::ensure(&[&HELM]).unwrap();
    let mut helm = Command::new(programs.path("helm"));
    let output = helm.args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("/operator:dev") && !said.contains("helm.sh/hook:"),
        "{said}"
    );
}

#[test]
fn another_cluster_and_another_language_are_refused() {
    let elsewhere = run(&tiltfile(), "production").unwrap_err();
    assert!(
        elsewhere.contains("tilt up --context kind-hub"),
        "{elsewhere}"
    );
    let misspelt = tiltfile().replacen("docker_build(", "docker_biuld(", 1);
    let misspelt = run(&misspelt, "kind-hub").unwrap_err();
    assert!(misspelt.contains("undefined: docker_biuld"), "{misspelt}");
}
