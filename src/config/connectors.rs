//! The `connectors` block.

use ::url::{Host as UrlHost, Url};
use chrono::NaiveDate;

use super::Place;
use super::faults::Fault;
use super::fields::{self, Faults, Fields};
use super::load::Context;
use super::located::{Node, Value};
use super::model::{Auth, Connector, ConnectorType, Credential, Percent, Proxy};
use super::secret;
use super::url::{ConnectorUrl, Host, Transport};

const TYPES: [(&str, ConnectorType); 2] =
    [("bitbucket_cloud", ConnectorType::BitbucketCloud), ("bitbucket_data_center", ConnectorType::BitbucketDataCenter)];
const URL_FORM: &str = "write `url: https://bitbucket.org/WORKSPACE`";

pub(super) fn read(name: &str, place: Place, node: &Node, context: &Context, faults: &mut Faults) -> Option<Connector> {
    let mut map = Fields::of("connector", node, faults)?;
    let type_node = map.need("type", "write `type: bitbucket_cloud`, or `bitbucket_data_center`", faults);
    let kind = type_node.and_then(|node| fields::one_of(node, &TYPES, faults));
    let description = map.optional("description", faults, fields::prose);
    let tags = map.read("tags", Vec::new(), faults, fields::texts);
    let url_node = map.need("url", URL_FORM, faults);
    let url = url_node.and_then(|node| read_url(node, kind, faults));
    let allow_http = map.read("allow_http", false, faults, fields::boolean);
    let api_url = map.optional("api_url", faults, |node, faults| read_api_url(node, allow_http, faults));
    let git_url = map.optional("git_url", faults, |node, faults| read_api_url(node, allow_http, faults));
    let auth_node = map.need("auth", "write `auth: { access_token: { env: BITBUCKET_TOKEN } }`", faults);
    let errors_before = faults.errors();
    let auth = auth_node.and_then(|node| {
        fields::list_of_mappings(node, faults, |node, faults| read_credential(node, kind, context, faults))
    });
    let auth = auth.filter(|_| faults.errors() == errors_before);
    let known_hosts = map.optional("known_hosts", faults, |node, faults| context.path(node, faults));
    let test_repository = map.optional("test_repository", faults, |node, faults| test_repository(node, kind, faults));
    let proxy = map.optional("proxy", faults, read_proxy);
    let ca_bundle = map.optional("ca_bundle", faults, |node, faults| context.path(node, faults));
    let requests_per_hour = map.optional("requests_per_hour", faults, |node, faults| count(node, 1_000_000, faults));
    let requests_per_second = map.optional("requests_per_second", faults, |node, faults| count(node, 10_000, faults));
    let reserve = map.read("reserve", Percent(10), faults, |node, faults| percent(node, 90, faults));
    let webhook_secrets = map.read("webhook_secrets", Vec::new(), faults, |node, faults| {
        fields::list_of_mappings(node, faults, |node, faults| secret::read(node, context, faults))
    });
    map.finish(faults);

    let is_data_center = kind == Some(ConnectorType::BitbucketDataCenter);
    let without_effect = [
        ("requests_per_second", requests_per_second.is_some() && !is_data_center, "it is for Data Center"),
        ("requests_per_hour", requests_per_hour.is_some() && is_data_center, "Data Center limits by the second"),
    ];
    for (key, is_there, because) in without_effect {
        if let Some(node) = node.get(key).filter(|_| is_there) {
            let other = if is_data_center { "requests_per_second" } else { "requests_per_hour" };
            let fault = Fault::of(node, format!("`{key}` has no effect")).because(because);
            faults.push(fault.mend(format!("use `{other}`")).warning());
        }
    }
    let url = url.map(|url| match &api_url {
        Some(api_url) if is_data_center => url.at_api(api_url),
        _ => url,
    });
    if let Some(node) = url_node.filter(|_| is_data_center)
        && let Some(Host::DataCenter { base }) = url.as_ref().map(|url| &url.host)
        && base.scheme() == "http"
        && !allow_http
        && !is_loopback(base)
    {
        let fault = Fault::of(node, "credentials would cross the network in the clear");
        faults.push(fault.mend("use https, or say `allow_http: true` where the network is trusted"));
    }
    let (url, auth) = (url?, auth?);
    check_auth(auth_node.unwrap_or(node), &url, &auth, context, faults);
    Some(Connector {
        name: name.to_owned(),
        kind: kind?,
        description,
        tags,
        api_url: api_url.unwrap_or_else(|| url.api_base.clone()),
        url,
        git_url,
        allow_http,
        auth,
        known_hosts,
        test_repository,
        proxy,
        ca_bundle,
        requests_per_hour,
        requests_per_second,
        reserve,
        webhook_secrets,
        place,
    })
}

fn read_url(node: &Node, kind: Option<ConnectorType>, faults: &mut Faults) -> Option<ConnectorUrl> {
    let text = fields::text(node, faults)?;
    let url = match ConnectorUrl::parse(&text) {
        Ok(url) => url,
        Err(error) => {
            faults.push(Fault::of(node, error.what).mend(error.mend));
            return None;
        }
    };
    match (&url.host, kind) {
        (Host::DataCenter { .. }, Some(ConnectorType::BitbucketCloud)) => {
            let fault = Fault::of(node, "this is not a URL of bitbucket.org, and the connector is `bitbucket_cloud`");
            faults.push(fault.mend(format!("{URL_FORM}; another address of the API goes into `api_url`")));
            None
        }
        (Host::Cloud, Some(ConnectorType::BitbucketDataCenter)) => {
            let fault = Fault::of(node, "this is a URL of bitbucket.org, and the connector is `bitbucket_data_center`");
            faults.push(fault.mend("write `type: bitbucket_cloud`"));
            None
        }
        _ => Some(url),
    }
}

/// Without a trailing slash, so that paths can be appended.
fn read_api_url(node: &Node, allow_http: bool, faults: &mut Faults) -> Option<Url> {
    const EXAMPLE: &str = "`https://api.bitbucket.org/2.0`";
    let url: Url = fields::parsed(node, "a URL", EXAMPLE, faults)?;
    let fault = |what: &str, mend: &str| Some(Fault::of(node, what).mend(mend));
    let wrong = match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            fault("the URL holds a user or password", "put the credential under `auth`")
        }
        _ if url.query().is_some() || url.fragment().is_some() => {
            fault("the address of the API ends with its path", "remove what follows `?` or `#`")
        }
        "https" => None,
        "http" if allow_http || is_loopback(&url) => None,
        "http" => fault(
            "credentials would cross the network in the clear",
            "use https, or say `allow_http: true` where the network is trusted",
        ),
        _ => fault("this is not an http or https URL", "write it like `https://api.bitbucket.org/2.0`"),
    };
    if let Some(wrong) = wrong {
        faults.push(wrong);
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let mut url = url;
    url.set_path(&path);
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(UrlHost::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(UrlHost::Ipv4(address)) => address.is_loopback(),
        Some(UrlHost::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Exactly one kind, and perhaps the day it ends.
fn read_credential(
    node: &Node,
    kind: Option<ConnectorType>,
    context: &Context,
    faults: &mut Faults,
) -> Option<Credential> {
    let mut map = Fields::of("credential", node, faults)?;
    let access_token = map.get("access_token");
    let api_token = map.get("api_token");
    let oauth = map.get("oauth");
    let basic = map.get("basic");
    let ssh_key = map.get("ssh_key");
    let stored = map.get("credential");
    let app_password = map.get("app_password");
    let expires = map.optional("expires", faults, date);
    map.finish(faults);
    if let Some(node) = app_password {
        faults.push(app_password_ended(node));
        return None;
    }
    let given: Vec<&Node> = [access_token, api_token, oauth, basic, ssh_key, stored].into_iter().flatten().collect();
    if given.len() != 1 {
        let fault = match given.len() {
            0 => Fault::of(node, "this credential is of no kind we know"),
            _ => Fault::of(node, "this credential is of several kinds"),
        };
        faults.push(fault.mend(
            "each entry of `auth` has one of access_token, api_token, oauth, basic, ssh_key, credential; begin each with `- `",
        ));
        return None;
    }
    let pair = |node: &Node, section, name, password, faults: &mut Faults| {
        let mut map = Fields::of(section, node, faults)?;
        let first = map.need(name, "a text, or `{ env: NAME }`", faults);
        let first = first.and_then(|node| secret::read_or_text(node, context, faults));
        let second = map.need(password, "write `{ env: NAME }` or `{ file: PATH }`", faults);
        let second = second.and_then(|node| secret::read(node, context, faults));
        map.finish(faults);
        Some((first?, second?))
    };
    if let Some(node) = stored {
        let login = secret::read_login(node, context, faults)?;
        let name = node.text().unwrap_or_default().to_owned();
        return Some(Credential { auth: Auth::Stored { name, login }, expires, place: node.place });
    }
    let auth = match (access_token, api_token, oauth, basic, ssh_key) {
        (Some(node), ..) => Auth::AccessToken(secret::read(node, context, faults)?),
        (_, Some(node), ..) => {
            let (email, token) = pair(node, "api_token block", "email", "token", faults)?;
            if kind == Some(ConnectorType::BitbucketDataCenter) {
                faults.push(cloud_only(node, "Atlassian API tokens"));
                return None;
            }
            Auth::ApiToken { email, token }
        }
        (_, _, Some(node), ..) => {
            let (key, secret) = pair(node, "oauth block", "key", "secret", faults)?;
            if kind == Some(ConnectorType::BitbucketDataCenter) {
                faults.push(cloud_only(node, "OAuth consumers"));
                return None;
            }
            Auth::OAuth { key, secret }
        }
        (_, _, _, Some(node), _) => {
            let both = pair(node, "basic block", "username", "password", faults);
            if kind == Some(ConnectorType::BitbucketCloud) {
                faults.push(app_password_ended(node));
                return None;
            }
            let (username, password) = both?;
            Auth::Basic { username, password }
        }
        (.., Some(node)) => read_ssh_key(node, context, faults)?,
        _ => return None,
    };
    Some(Credential { auth, expires, place: given[0].place })
}

fn cloud_only(node: &Node, what: &str) -> Fault {
    Fault::of(node, format!("{what} are for Bitbucket Cloud"))
        .because("the connector is `bitbucket_data_center`")
        .mend("make an HTTP access token and write `access_token: { env: NAME }`, or use `basic`")
}

fn app_password_ended(node: &Node) -> Fault {
    Fault::of(node, "app passwords and user passwords do not work on Bitbucket Cloud any more")
        .because("Bitbucket ended them on 2026-07-28")
        .mend("make an API token and write `api_token: { email: …, token: { env: NAME } }`, or use an access token")
}

fn read_ssh_key(node: &Node, context: &Context, faults: &mut Faults) -> Option<Auth> {
    let mut map = Fields::of("ssh_key block", node, faults)?;
    let file = map.need("file", "name a PEM file", faults).and_then(|node| context.path(node, faults));
    let passphrase = map.optional("passphrase", faults, |node, faults| secret::read(node, context, faults));
    map.finish(faults);
    Some(Auth::SshKey { file: file?, passphrase })
}

fn check_auth(node: &Node, url: &ConnectorUrl, auth: &[Credential], context: &Context, faults: &mut Faults) {
    let ssh = auth.iter().find(|credential| matches!(credential.auth, Auth::SshKey { .. }));
    if auth.iter().all(|credential| matches!(credential.auth, Auth::SshKey { .. })) {
        let fault = Fault::of(node, "there is no credential for the API");
        faults.push(
            fault
                .because("discovery asks Bitbucket's API, which knows no SSH keys")
                .mend("add an access token or API token beside the SSH key"),
        );
    }
    match (ssh, url.transport) {
        (Some(credential), Transport::Http) => {
            let fault = Fault::at(credential.place, 1, "the SSH key has no effect");
            let because = "the connector's url is no SSH one";
            faults.push(fault.because(because).mend(format!("write `url: {}`", ssh_form(url))).warning());
        }
        (None, Transport::Ssh { .. }) => {
            let fault = Fault::of(node, "the url is an SSH one, and there is no SSH key");
            let because = "commits come over https then";
            faults.push(
                fault.because(because).mend("add `ssh_key: { file: … }` beside the credential of the API").warning(),
            );
        }
        _ => {}
    }
    let today = context.now.date_naive();
    for credential in auth {
        if let Some(expires) = credential.expires.filter(|expires| *expires < today) {
            let fault = Fault::at(credential.place, 1, format!("this credential ended on {expires}"));
            faults.push(fault.mend("renew it, and write the new date into `expires`").warning());
        }
    }
}

/// The same address over SSH.
fn ssh_form(url: &ConnectorUrl) -> ConnectorUrl {
    ConnectorUrl { transport: Transport::Ssh { port: None }, ..url.clone() }
}

pub(super) fn date(node: &Node, faults: &mut Faults) -> Option<NaiveDate> {
    fields::parsed(node, "a date", "`2027-03-31`", faults)
}

fn count(node: &Node, most: u32, faults: &mut Faults) -> Option<u32> {
    fields::number(node, 1, most.into(), faults).and_then(|number| u32::try_from(number).ok())
}

/// `10%`, or `10`.
pub(super) fn percent(node: &Node, most: u8, faults: &mut Faults) -> Option<Percent> {
    let number = node.text().and_then(|text| text.trim_end_matches('%').trim().parse::<u8>().ok());
    match number.filter(|number| *number <= most) {
        Some(number) => Some(Percent(number)),
        None => {
            let text = node.text().map_or_else(|| node.kind().to_owned(), |text| format!("`{}`", fields::cut(text)));
            let fault = Fault::of(node, format!("{text} is not a share in percent"));
            faults.push(fault.mend(format!("write 0% to {most}%, in whole numbers")));
            None
        }
    }
}

fn test_repository(node: &Node, kind: Option<ConnectorType>, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    let slug = text.strip_suffix(".git").unwrap_or(&text);
    let is_slug = |slug: &str| {
        !slug.is_empty()
            && !slug.starts_with(['-', '.'])
            && slug.chars().all(|c| c.is_ascii_alphanumeric() || "_-.~".contains(c))
    };
    let parts: Vec<&str> = slug.split('/').collect();
    let (fits, form) = match kind {
        Some(ConnectorType::BitbucketDataCenter) => (parts.len() == 2, "write `PROJECT/repo.git`"),
        _ => (parts.len() == 1, "write `repo.git`: the workspace comes from the url"),
    };
    if !fits || !parts.iter().all(|part| is_slug(part)) {
        faults.push(Fault::of(node, format!("`{}` is not a repository", fields::cut(&text))).mend(form));
        return None;
    }
    Some(slug.to_owned())
}

fn read_proxy(node: &Node, faults: &mut Faults) -> Option<Proxy> {
    // Not shown: the URL may hold a password.
    let url = node.text().and_then(|text| Url::parse(text).ok()).filter(|url| url.has_host());
    match url {
        Some(url) if ["http", "https"].contains(&url.scheme()) => Some(Proxy::new(url)),
        _ => {
            let value = if node.value == Value::Null { "nothing" } else { "this" };
            let fault = Fault::of(node, format!("{value} is not the URL of an http proxy"));
            faults.push(fault.mend("write it like `http://proxy:3128`"));
            None
        }
    }
}
