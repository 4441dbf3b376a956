//! The pages that are shown to whoever is not let in: plain, without anything that must be loaded.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::server::problem::Problem;

/// What the login page shows.
pub struct Login<'a> {
    /// Where the form goes.
    pub action: &'a str,
    /// Where one goes afterwards; from outside.
    pub next: &'a str,
    /// Why one is still here.
    pub problem: Option<&'a str>,
    /// How one gets in.
    pub way: Way,
}

/// How one gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// With a token of the config.
    Token,
    /// By the link on the terminal.
    Link,
    /// Not with a browser: there is neither.
    None,
}

/// The login page.
pub fn login(status: StatusCode, page: &Login<'_>) -> Response {
    let problem = page.problem.map_or_else(String::new, |text| format!("<p role=\"alert\">{}</p>\n", escaped(text)));
    let way = match page.way {
        Way::Token => format!(
            "<form method=\"post\" action=\"{}\">\n\
             <input type=\"hidden\" name=\"next\" value=\"{}\">\n\
             <p><label for=\"token\">Token</label>\n\
             <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus></p>\n\
             <p><button type=\"submit\">Sign in</button></p>\n</form>\n\
             <p>Tokens are named under <code>server.tokens</code> in the config.</p>\n",
            escaped(page.action),
            escaped(page.next)
        ),
        Way::Link => "<p>Open the sign-in link that catalog-sync shows on its terminal. It is good once, for ten \
                      minutes; a new one is shown there now where the last one is not good any more.</p>\n"
            .to_owned(),
        Way::None => "<p>The config names no tokens, and catalog-sync has no terminal to show a sign-in link on. \
                      Add a token under <code>server.tokens</code>; the config is read again by itself.</p>\n"
            .to_owned(),
    };
    (status, Html(whole("Sign in", &format!("{problem}{way}")))).into_response()
}

/// A problem, for people.
pub fn problem(problem: &Problem) -> Response {
    let because: String = problem.because.iter().map(|cause| format!("<p>because {}</p>\n", escaped(cause))).collect();
    let mend = problem.mend.as_deref().map_or_else(String::new, |mend| format!("<p>{}</p>\n", escaped(mend)));
    let body = format!("<p role=\"alert\">{}</p>\n{because}{mend}", escaped(&problem.title));
    (problem.status(), Html(whole("It did not work", &body))).into_response()
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · catalog-sync</title>\n</head>\n<body>\n<main>\n<h1>catalog-sync</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(escaped("/?a=\"><script>&'"), "/?a=&quot;&gt;&lt;script&gt;&amp;&#39;");
    }
}
