//! The pages that are shown to whoever is not let in. They look like the others, and work without.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::server::problem::Problem;
use crate::server::ui::asset_address;

/// What the login page shows.
pub struct Login<'a> {
    /// What stands before our own paths.
    pub base: &'a str,
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
    let problem = page.problem.map_or_else(String::new, |text| {
        format!("<div class=\"notice bad\" role=\"alert\"><div>{}</div></div>\n", escaped(text))
    });
    let way = match page.way {
        Way::Token => format!(
            "<form class=\"form\" method=\"post\" action=\"{}\">\n\
             <input type=\"hidden\" name=\"next\" value=\"{}\">\n\
             <div class=\"field\"><label for=\"token\">Token</label>\n\
             <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\n\
             <span class=\"hint\">Tokens are named under <code>server.tokens</code> in the config.</span></div>\n\
             <div><button class=\"btn primary\" type=\"submit\">Sign in</button></div>\n</form>\n",
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
    (status, Html(whole(page.base, "Sign in", &format!("{problem}{way}")))).into_response()
}

/// A problem, for people.
pub fn problem(problem: &Problem) -> Response {
    let because: String = problem.because.iter().map(|cause| format!("<p>because {}</p>\n", escaped(cause))).collect();
    let mend = problem.mend.as_deref().map_or_else(String::new, |mend| format!("<p>{}</p>\n", escaped(mend)));
    let body = format!("<p class=\"strong\" role=\"alert\">{}</p>\n{because}{mend}", escaped(&problem.title));
    (problem.status(), Html(whole("", "It did not work", &body))).into_response()
}

/// As on every other page.
const LOGO: &str = "<svg class=\"icon\" viewBox=\"0 0 16 16\" aria-hidden=\"true\" focusable=\"false\"><path \
                    d=\"M13 6.5A5.2 5.2 0 0 0 3.6 5M3 9.5A5.2 5.2 0 0 0 12.4 11M3.2 2v3.2h3.2M12.8 14v-3.2H9.6\"/></svg>";

fn whole(base: &str, title: &str, body: &str) -> String {
    let (base, style, icon) = (escaped(base), asset_address("style.css"), asset_address("icon.svg"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · catalog-sync</title>\n<link rel=\"icon\" type=\"image/svg+xml\" href=\"{base}{icon}\">\n\
         <link rel=\"stylesheet\" href=\"{base}{style}\">\n</head>\n<body>\n\
         <header class=\"top\"><div><a class=\"brand\" href=\"{base}/\">{LOGO} catalog-sync</a></div></header>\n\
         <main>\n<section class=\"panel login form\">\n<h1>{title}</h1>\n{body}</section>\n</main>\n</body>\n</html>\n"
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
