//! Who may do what: the operator no more than it does, people what their role in the cluster says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use documents::{Table, codes};
use e2e::chart::{helm::Release, rendered::Rendered, rights::allowed};
use serde_json::{Value, json};

/// All that the operator may do with resources and their children.
const OPERATOR: [&str; 18] = [
    "intuition.dev/tradingalgos: list watch",
    "intuition.dev/tradingalgos/status: patch",
    "intuition.dev/algorithms: list watch",
    "intuition.dev/algorithms/status: patch",
    "intuition.dev/feeds: list watch",
    "intuition.dev/feeds/status: patch",
    "intuition.dev/indicators: list watch",
    "intuition.dev/indicators/status: patch",
    "apps/deployments: create delete get list patch watch",
    "/configmaps: create get list patch watch",
    "/serviceaccounts: create get list patch watch",
    "/services: create delete get list patch watch",
    "networking.k8s.io/networkpolicies: create delete get list patch watch",
    "/persistentvolumeclaims: create get list patch watch",
    "/pods: list watch",
    "/namespaces: get",
    "/secrets: create delete patch",
    "events.k8s.io/events: create patch",
];

/// And with the lease, in its own namespace.
const LEASE: [&str; 2] =
    ["coordination.k8s.io/leases: create", "coordination.k8s.io/leases[intuition-operator]: get update"];

fn lines(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Kind, namespace and name of every role and binding.
fn rbac(rendered: &Rendered) -> BTreeSet<String> {
    let kinds = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
    let objects = kinds.iter().flat_map(|kind| rendered.of_kind(kind));
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    objects
        .map(|object| {
            let metadata = &object["metadata"];
            format!("{} {} {}", text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
        })
        .collect()
}

/// Verbs of the API server that a role or a table names.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The verbs of each resource, without group and name.
type Rights<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The rights of lines such as [`OPERATOR`].
fn of_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Rights<'a> {
    let mut rights = Rights::new();
    for (resource, verbs) in lines.into_iter().filter_map(|line| line.split_once(": ")) {
        let resource = resource.split_once('/').map_or(resource, |(_, resource)| resource);
        let resource = resource.split('[').next().unwrap_or(resource);
        rights.entry(resource).or_default().extend(verbs.split(' '));
    }
    rights
}

/// The rights of the tables of a page with the columns Resource and Verbs.
fn of_page(page: &str) -> Rights<'_> {
    let mut rights = Rights::new();
    for table in Table::all(page) {
        let (Some(resources), Some(verbs)) = (table.column("Resource"), table.column("Verbs")) else { continue };
        for (resources, verbs) in resources.into_iter().zip(verbs) {
            let verbs: BTreeSet<_> =
                verbs.split(|letter: char| !letter.is_ascii_lowercase()).filter(|word| VERBS.contains(word)).collect();
            // A name with a dot is the resource's group.
            for resource in codes(resources).filter(|resource| !resource.contains('.')) {
                rights.entry(resource).or_default().extend(&verbs);
            }
        }
    }
    rights
}

/// [`OPERATOR`] and [`LEASE`] are the rights of the rendered roles, as the other tests show.
#[test]
fn pages_have_the_rights_of_the_operator() -> anyhow::Result<()> {
    let expected = of_lines(OPERATOR.into_iter().chain(LEASE));
    for path in ["docs/operations.md", "charts/intuition/README.md"] {
        let page = documents::page(path)?;
        let found = of_page(&page);
        ensure!(found == expected, "{path}: {found:#?}, expected {expected:#?}");
    }
    Ok(())
}

fn ensure_binds(binding: &Value, role_kind: &str, account: &str) -> anyhow::Result<()> {
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": binding["metadata"]["name"]});
    ensure!(binding["roleRef"] == role, "{binding}");
    let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": "intuition-system"}]);
    ensure!(binding["subjects"] == subjects, "{binding}");
    Ok(())
}

#[test]
fn in_all_namespaces_the_operator_may_do_exactly_what_it_does() -> anyhow::Result<()> {
    let rendered = Release::default().render()?;
    let name = "intuition-system:intuition-operator";
    ensure!(
        rbac(&rendered)
            == lines(&[
                "ClusterRole - intuition-system:intuition-operator",
                "ClusterRoleBinding - intuition-system:intuition-operator",
                "Role intuition-system intuition-operator-lease",
                "RoleBinding intuition-system intuition-operator-lease",
            ])
    );
    ensure!(allowed(rendered.get("ClusterRole", name)?)? == lines(&OPERATOR));
    ensure_binds(rendered.get("ClusterRoleBinding", name)?, "ClusterRole", "intuition-operator")?;
    ensure!(allowed(rendered.get("Role", "intuition-operator-lease")?)? == lines(&LEASE));
    ensure_binds(rendered.get("RoleBinding", "intuition-operator-lease")?, "Role", "intuition-operator")
}

#[test]
fn with_namespaces_named_it_has_no_right_outside_of_them() -> anyhow::Result<()> {
    let rendered = Release::with(json!({
        "operator": {"watchNamespaces": ["desk-a", "desk-b"]},
        "rbac": {"aggregateToDefaultRoles": false},
    }))
    .render()?;
    let role = "intuition-system:intuition-operator";
    ensure!(
        rbac(&rendered)
            == lines(&[
                &format!("Role desk-a {role}"),
                &format!("RoleBinding desk-a {role}"),
                &format!("Role desk-b {role}"),
                &format!("RoleBinding desk-b {role}"),
                "Role intuition-system intuition-operator-lease",
                "RoleBinding intuition-system intuition-operator-lease",
            ])
    );
    for (role, binding) in rendered.of_kind("Role").into_iter().zip(rendered.of_kind("RoleBinding")) {
        let expected =
            if role["metadata"]["namespace"] == "intuition-system" { lines(&LEASE) } else { lines(&OPERATOR) };
        ensure!(allowed(role)? == expected, "{role}");
        ensure_binds(binding, "Role", "intuition-operator")?;
    }
    let deployment = rendered.get("Deployment", "intuition-operator")?;
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let told =
        arguments.as_array().into_iter().flatten().filter_map(Value::as_str).filter(|text| text.contains("namespace="));
    let told: Vec<_> = told.collect();
    ensure!(
        told == ["--watch-namespace=desk-a", "--watch-namespace=desk-b", "--lease-namespace=intuition-system"],
        "it must watch what it has rights for: {told:?}"
    );
    Ok(())
}

#[test]
fn people_get_the_resource_through_the_roles_that_they_have() -> anyhow::Result<()> {
    ensure!(
        !rbac(&Release::default().render()?).iter().any(|role| role.contains("intuition-view")),
        "only where asked for"
    );
    let rendered = Release::with(json!({"rbac": {"aggregateToDefaultRoles": true}})).render()?;
    let aggregated = |name: &str| -> anyhow::Result<BTreeSet<String>> {
        let labels = rendered.get("ClusterRole", name)?["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        let to = labels.keys().filter_map(|key| key.strip_prefix("rbac.authorization.k8s.io/aggregate-to-"));
        Ok(to.map(str::to_owned).collect())
    };
    ensure!(aggregated("intuition-system:intuition-view")? == lines(&["view", "edit", "admin"]));
    ensure!(aggregated("intuition-system:intuition-edit")? == lines(&["edit", "admin"]));
    ensure!(
        allowed(rendered.get("ClusterRole", "intuition-system:intuition-view")?)?
            == lines(&[
                "intuition.dev/tradingalgos: get list watch",
                "intuition.dev/tradingalgos/status: get list watch",
                "intuition.dev/algorithms: get list watch",
                "intuition.dev/algorithms/status: get list watch",
                "intuition.dev/feeds: get list watch",
                "intuition.dev/feeds/status: get list watch",
                "intuition.dev/indicators: get list watch",
                "intuition.dev/indicators/status: get list watch",
            ])
    );
    // Status is the operator's word.
    ensure!(
        allowed(rendered.get("ClusterRole", "intuition-system:intuition-edit")?)?
            == lines(&[
                "intuition.dev/tradingalgos: create delete deletecollection patch update",
                "intuition.dev/algorithms: create delete deletecollection patch update",
                "intuition.dev/feeds: create delete deletecollection patch update",
                "intuition.dev/indicators: create delete deletecollection patch update",
            ])
    );
    Ok(())
}

#[test]
fn roles_and_account_can_be_somebody_elses() -> anyhow::Result<()> {
    let none = json!({"rbac": {"create": false, "aggregateToDefaultRoles": false}, "serviceAccount": {"create": false, "name": "own"}});
    let rendered = Release::with(none).render()?;
    ensure!(rbac(&rendered).is_empty());
    ensure!(rendered.of_kind("ServiceAccount").is_empty());
    let deployment = rendered.get("Deployment", "intuition-operator")?;
    ensure!(deployment["spec"]["template"]["spec"]["serviceAccountName"] == "own");

    let named = Release::with(json!({"serviceAccount": {"name": "own"}})).render()?;
    ensure!(named.has("ServiceAccount", "own"));
    ensure_binds(named.get("RoleBinding", "intuition-operator-lease")?, "Role", "own")
}
