//! What lies in `deploy/`: it reads as the programs it is for read it, and names nothing that is not there.

use std::collections::BTreeSet;

use gtmpl_ng::{Context, FuncError, Template, Value as Given};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::harness::Bench;
use crate::layout::root;

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join("deploy").join(name)).unwrap_or_else(|error| panic!("deploy/{name}: {error}"))
}

/// The functions of Helm that the chart uses.
fn functions() -> Vec<(&'static str, gtmpl_ng::Func)> {
    fn quote(given: &[Given]) -> Result<Given, FuncError> {
        Ok(Given::String(json!(given[0].to_string()).to_string()))
    }
    fn or_default(given: &[Given]) -> Result<Given, FuncError> {
        let is_empty = |value: &Given| value.to_string().is_empty() || matches!(value, Given::Nil | Given::NoValue);
        Ok(given.get(1).filter(|value| !is_empty(value)).unwrap_or(&given[0]).clone())
    }
    fn indent(given: &[Given]) -> Result<Given, FuncError> {
        let width: usize = given[0].to_string().parse().map_err(|_| FuncError::UnableToConvertFromValue)?;
        let lines = given[1].to_string();
        let lines = lines.lines().map(|line| format!("{}{line}", " ".repeat(width)));
        Ok(Given::String(lines.collect::<Vec<_>>().join("\n")))
    }
    fn to_yaml(given: &[Given]) -> Result<Given, FuncError> {
        let text = serde_yaml::to_string(&plain(&given[0])).expect("what was YAML");
        Ok(Given::String(text.trim_end().to_owned()))
    }
    vec![("quote", quote), ("default", or_default), ("indent", indent), ("toYaml", to_yaml)]
}

fn plain(given: &Given) -> Value {
    match given {
        Given::Bool(is) => json!(is),
        Given::String(text) => json!(text),
        Given::Number(number) => serde_json::from_str(&number.to_string()).expect("a number"),
        Given::Array(list) => list.iter().map(plain).collect(),
        Given::Map(map) | Given::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
        }
        Given::Nil | Given::NoValue | Given::Function(_) => Value::Null,
    }
}

fn given(value: &Value) -> Given {
    match value {
        Value::Null => Given::Nil,
        Value::Bool(is) => Given::Bool(*is),
        Value::Number(number) => Given::from(number.as_i64().expect("whole numbers")),
        Value::String(text) => Given::String(text.clone()),
        Value::Array(list) => Given::Array(list.iter().map(given).collect()),
        Value::Object(map) => Given::Map(map.iter().map(|(key, value)| (key.clone(), given(value))).collect()),
    }
}

/// One template of the chart, with its values and what a person sets.
fn rendered(name: &str, set: &Value) -> Value {
    let chart = "helm/catalog-sync";
    let mut values: Value = serde_yaml::from_str(&read(&format!("{chart}/values.yaml"))).expect("YAML");
    merge(&mut values, set);
    let about: Value = serde_yaml::from_str(&read(&format!("{chart}/Chart.yaml"))).expect("YAML");
    let context = json!({
        "Values": values, "Release": {"Name": "dev"}, "Chart": {"AppVersion": about["appVersion"]},
    });
    let mut template = Template::default();
    template.add_funcs(&functions());
    let helpers = read(&format!("{chart}/templates/_helpers.tpl"));
    let text = format!("{}{}", helpers.trim_end(), read(&format!("{chart}/templates/{name}")));
    template.parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = template.render(&Context::from(given(&context))).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"))
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Object(Map::new())), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// P7.9: in a cluster it runs as any user on a root that cannot be written, and never twice on one store.
#[test]
fn the_chart_is_a_deployment_of_its_own_p7_9() {
    let deployment = rendered("deployment.yaml", &json!({"secretNames": ["catalog-sync"]}));
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]["type"]),
        (&json!(1), &json!("Recreate"))
    );
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["containers"].as_array().map(Vec::len), Some(1), "{pod:#}");
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "catalog-sync:0.1.0");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["envFrom"][0]["secretRef"]["name"], "catalog-sync");
    assert_eq!(container["resources"]["limits"]["memory"], "512Mi");
    let mounted: BTreeSet<&str> = names(&container["volumeMounts"]);
    assert_eq!(mounted, names(&pod["volumes"]), "every volume is there and is mounted");
    let selector = deployment["spec"]["selector"]["matchLabels"].as_object().expect("labels");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert!(selector.iter().all(|(label, value)| labels[label] == *value), "{labels}");
    assert_eq!(rendered("service.yaml", &json!({})), Value::Null, "nothing reaches the API unless it is asked for");
    let service = rendered("service.yaml", &json!({"service": {"enabled": true}}));
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "api");
    let claim = rendered("state.yaml", &json!({"state": {"storageClassName": "fast"}}));
    assert_eq!(claim["spec"]["storageClassName"], "fast");
    assert_eq!(claim["metadata"]["name"], pod["volumes"][1]["persistentVolumeClaim"]["claimName"]);
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect()
}

/// Beside a portal it is a native sidecar: starts before it, ends after it, and shares the catalog alone.
#[test]
fn the_chart_is_a_native_sidecar_beside_a_portal() {
    let set = json!({"portal": {"enabled": true, "image": "portal:1", "env": [{"name": "A", "value": "b"}]}});
    let deployment = rendered("deployment.yaml", &set);
    let pod = &deployment["spec"]["template"]["spec"];
    let sidecar = &pod["initContainers"][0];
    assert_eq!((&sidecar["name"], &sidecar["restartPolicy"]), (&json!("catalog-sync"), &json!("Always")));
    assert_eq!(sidecar["startupProbe"]["httpGet"]["path"], "/readyz");
    let portal = &pod["containers"][0];
    assert_eq!((&portal["image"], &portal["env"][0]["value"]), (&json!("portal:1"), &json!("b")));
    assert_eq!(names(&portal["volumeMounts"]), BTreeSet::from(["catalog"]));
}

/// The config of the chart is one that we take.
#[test]
fn the_charts_config_has_no_fault() {
    let map = rendered("configmap.yaml", &json!({}));
    let config = map["data"]["catalog-sync.yaml"].as_str().expect("the config");
    let bench = Bench::of(&[]);
    bench.config(config);
    bench.run(&["check", "--offline"]).ok();
}

/// What alerts and dashboard ask for is what `/metrics` tells.
#[test]
fn alerts_and_dashboard_name_metrics_that_are_there_p7_2() {
    let alerts: Value = serde_yaml::from_str(&read("prometheus/alerts.yaml")).expect("YAML");
    let rules = alerts["groups"][0]["rules"].as_array().expect("rules");
    let mut asked: Vec<String> =
        rules.iter().map(|rule| rule["expr"].as_str().expect("an expression").to_owned()).collect();
    assert!(
        rules
            .iter()
            .all(|rule| rule["annotations"]["summary"].is_string() && rule["annotations"]["description"].is_string())
    );
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboard.json")).expect("JSON");
    for panel in dashboard["panels"].as_array().expect("panels") {
        let targets = panel["targets"].as_array().expect("targets").iter();
        asked.extend(targets.map(|target| target["expr"].as_str().expect("an expression").to_owned()));
    }
    let named = Regex::new(r"catalog_sync_[a-z_]+").expect("a pattern");
    let named: BTreeSet<String> = asked
        .iter()
        .flat_map(|expr| named.find_iter(expr))
        .map(|found| found.as_str().replace("_bucket", ""))
        .collect();
    let told = std::fs::read_to_string(root().join("src/metrics.rs")).expect("the metrics");
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        let base = name.trim_start_matches("catalog_sync_");
        let base = ["_total", "_seconds", "_items"].iter().fold(base, |base, suffix| base.trim_end_matches(suffix));
        assert!(told.contains(&format!("\"{base}\"")), "{name} is asked for, and nobody tells it");
    }
}

/// The unit starts what there is, as a user of its own, and keeps memory out of core files.
#[test]
fn the_unit_hardens_the_service() {
    let unit = read("systemd/catalog-sync.service");
    for line in
        ["DynamicUser=yes", "StateDirectory=catalog-sync", "LimitCORE=0", "ProtectSystem=strict", "NoNewPrivileges=yes"]
    {
        assert!(unit.lines().any(|given| given == line), "{line}");
    }
    let start =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/catalog-sync ")).expect("a start");
    Bench::of(&[]).run(&[start, "--help"]).ok();
}

/// The image holds what commits over git and connectors over SSH need, and runs as nobody.
#[test]
fn the_image_runs_as_nobody_p7_9() {
    let file = read("Containerfile");
    assert!(file.contains("USER 65532:65532") && file.contains("git openssh-client") && file.contains("--locked"));
    let minor: Vec<&str> = env!("CARGO_PKG_RUST_VERSION").split('.').take(2).collect();
    let wanted = format!("rust:{}-", minor.join("."));
    assert!(file.contains(&wanted), "the image builds with the compiler that Cargo.toml asks for: {wanted}");
}
