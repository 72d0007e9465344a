//! The sign-in page. Pure: text in, HTML out, everything foreign escaped. No script, no images.

use super::oauth::Ask;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#f3f4f6;margin:0;\
display:grid;place-items:center;min-height:100vh}\
main{background:#fff;border:1px solid #d7dbe0;border-radius:12px;padding:2rem;width:22rem;\
box-sizing:border-box;max-width:94vw}\
h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:.5rem 0}code{word-break:break-all}\
label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input{width:100%;box-sizing:border-box;font:inherit;padding:.5rem;border:1px solid #8c959f;\
border-radius:6px}\
.row{display:flex;gap:.5rem;margin-top:1.5rem}\
button{font:inherit;padding:.5rem 1rem;border-radius:6px;border:1px solid #8c959f;background:#fff}\
button.yes{background:#1a56db;border-color:#1a56db;color:#fff;flex:1}\
.problem{color:#b42318}";

/// Returns the page on which one consents. The parameters of the request travel in its address.
pub(super) fn consent(ask: &Ask, email: &str, problem: Option<&str>) -> String {
    let problem = problem.map_or(String::new(), |problem| {
        format!("<p class=\"problem\" role=\"alert\">{}</p>", escape(problem))
    });
    let mail = if ask.mail {
        "<label><input type=\"checkbox\" name=\"mail\" value=\"yes\" style=\"width:auto\"> \
         It may also send mail in my name</label>"
    } else {
        ""
    };
    let mut hidden = String::new();
    let fields = [
        ("response_type", Some("code")),
        ("client_id", Some(ask.client.as_str())),
        ("redirect_uri", Some(ask.redirect.as_str())),
        ("scope", ask.mail.then_some(super::oauth::MAIL_SCOPE)),
        ("state", ask.state.as_deref()),
        ("code_challenge", ask.challenge.as_deref()),
        ("code_challenge_method", ask.challenge.as_ref().map(|_| "S256")),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            hidden.push_str("<input type=\"hidden\" name=\"");
            hidden.push_str(name);
            hidden.push_str("\" value=\"");
            hidden.push_str(&escape(value));
            hidden.push_str("\">");
        }
    }
    frame(&format!(
        "<h1>Sign in to Drive</h1>\
         <p>The program <code>{client}</code> asks to read and change the files of your account, \
         and to share them. The answer goes to <code>{redirect}</code>.</p>{problem}\
         <form method=\"post\">{hidden}\
         <label for=\"email\">Account</label>\
         <input id=\"email\" name=\"email\" type=\"email\" value=\"{email}\" required \
         autocomplete=\"username\">\
         <label for=\"secret\">Secret token of the account</label>\
         <input id=\"secret\" name=\"secret\" type=\"password\" \
         autocomplete=\"current-password\" autofocus>{mail}\
         <div class=\"row\"><button class=\"yes\" name=\"choice\" value=\"allow\">Allow</button>\
         <button name=\"choice\" value=\"deny\" formnovalidate>Deny</button></div></form>",
        client = escape(&ask.client),
        redirect = escape(&ask.redirect),
        email = escape(email),
    ))
}

/// Returns the page for a request that makes no sense.
pub(super) fn problem(text: &str) -> String {
    frame(&format!(
        "<h1>This sign-in cannot go on</h1><p class=\"problem\">{}</p>\
         <p>Close this page and start again from the program.</p>",
        escape(text)
    ))
}

fn frame(content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Sign in to Drive</title>\
         <style>{STYLE}</style></head><body><main>{content}</main></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_becomes_markup() {
        let evil = "\"><script>alert('x')</script>&".to_owned();
        let ask = Ask {
            client: evil.clone(),
            redirect: evil.clone(),
            state: Some(evil.clone()),
            challenge: Some(evil.clone()),
            hint: evil.clone(),
            mail: true,
        };
        let page = consent(&ask, &evil, Some(&evil));
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("&lt;script").count(), 7 + 1, "{page}");
    }
}
