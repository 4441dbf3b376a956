//! The query language of Bitbucket Cloud's `q` parameter, as much of it as lists of repositories, pull requests and
//! branches need: `= != ~ !~ > >= < <= IN NOT IN`, `AND`, `OR`, parentheses.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// What a field of an object holds, or a query compares it with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Time(DateTime<Utc>),
    Number(i64),
    Bool(bool),
    Null,
}

/// Something that can be asked for its fields.
pub(super) trait Row {
    /// `None`: there is no such field.
    fn field(&self, name: &str) -> Option<Value>;
}

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Compare { field: String, operator: Operator, operands: Vec<Value> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Contains,
    NotContains,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    NotIn,
}

impl Query {
    /// Reads a query over the named fields.
    ///
    /// # Errors
    /// What a person reads in the 400.
    pub(super) fn parse(text: &str, fields: &[&str]) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0, fields };
        let query = parser.any()?;
        match parser.peek() {
            None => Ok(query),
            Some(token) => Err(format!("unexpected {token:?} in the query")),
        }
    }

    /// Whether the query says something about a field.
    pub(super) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.mentions(name)),
            Self::Compare { field, .. } => field == name,
        }
    }

    /// Whether a row is one of those asked for.
    pub(super) fn holds(&self, row: &impl Row) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::Compare { field, operator, operands } => {
                let value = row.field(field).unwrap_or(Value::Null);
                compare(&value, *operator, operands)
            }
        }
    }
}

fn compare(value: &Value, operator: Operator, operands: &[Value]) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = |operand: &Value| order(value, operand);
    let contains = || match (value, operands.first()) {
        (Value::Text(text), Some(Value::Text(part))) => text.to_lowercase().contains(&part.to_lowercase()),
        _ => false,
    };
    let first = operands.first().and_then(order);
    match operator {
        Operator::Equal => first == Some(Equal),
        Operator::NotEqual => first != Some(Equal),
        Operator::Contains => contains(),
        Operator::NotContains => !contains(),
        Operator::Greater => first == Some(Greater),
        Operator::GreaterOrEqual => matches!(first, Some(Greater | Equal)),
        Operator::Less => first == Some(Less),
        Operator::LessOrEqual => matches!(first, Some(Less | Equal)),
        Operator::In => operands.iter().any(|operand| order(operand) == Some(Equal)),
        Operator::NotIn => operands.iter().all(|operand| order(operand) != Some(Equal)),
    }
}

/// How two values stand to each other; `None` when they cannot be compared. A quoted date is one beside a time.
pub(super) fn order(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Text(right)) => time(right).map(|right| left.cmp(&right)),
        (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Null, Value::Null) => Some(std::cmp::Ordering::Equal),
        _ => None,
    }
}

/// ISO 8601 as the query language takes it: UTC where no offset is given, a bare date is its midnight.
fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if let Ok(time) = text.parse::<NaiveDateTime>() {
        return Some(time.and_utc());
    }
    text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc())
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Operator(Operator),
    /// In double quotes.
    Quoted(String),
    /// A field, a keyword, a number or a date.
    Word(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        match c {
            c if c.is_whitespace() => {
                chars.next();
            }
            '(' | ')' | ',' => {
                chars.next();
                tokens.push(match c {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
            }
            '"' => {
                chars.next();
                let mut quoted = String::new();
                loop {
                    match chars.next() {
                        None => return Err("a quote is not closed in the query".to_owned()),
                        Some('"') => break,
                        Some('\\') => quoted.extend(chars.next()),
                        Some(c) => quoted.push(c),
                    }
                }
                tokens.push(Token::Quoted(quoted));
            }
            '=' | '!' | '~' | '>' | '<' => {
                chars.next();
                let next = chars.peek().copied();
                let (operator, two) = match (c, next) {
                    ('=', _) => (Operator::Equal, false),
                    ('~', _) => (Operator::Contains, false),
                    ('!', Some('=')) => (Operator::NotEqual, true),
                    ('!', Some('~')) => (Operator::NotContains, true),
                    ('>', Some('=')) => (Operator::GreaterOrEqual, true),
                    ('>', _) => (Operator::Greater, false),
                    ('<', Some('=')) => (Operator::LessOrEqual, true),
                    ('<', _) => (Operator::Less, false),
                    _ => return Err("a lone ! in the query".to_owned()),
                };
                if two {
                    chars.next();
                }
                tokens.push(Token::Operator(operator));
            }
            _ => {
                let mut word = String::new();
                while let Some(&c) = chars.peek() {
                    if c.is_whitespace() || "(),\"=!~<>".contains(c) {
                        break;
                    }
                    word.push(c);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    fields: &'a [&'a str],
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("the query breaks off")?;
        self.at += 1;
        Ok(token)
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Query, String> {
        let mut parts = vec![self.all()?];
        while self.keyword("OR") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Query::Any(parts) })
    }

    fn all(&mut self) -> Result<Query, String> {
        let mut parts = vec![self.one()?];
        while self.keyword("AND") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Query::All(parts) })
    }

    fn one(&mut self) -> Result<Query, String> {
        let field = match self.next()? {
            Token::Open => {
                let query = self.any()?;
                return match self.next()? {
                    Token::Close => Ok(query),
                    token => Err(format!("expected ) in the query, found {token:?}")),
                };
            }
            Token::Word(field) => field,
            token => return Err(format!("expected a field in the query, found {token:?}")),
        };
        if !self.fields.contains(&field.as_str()) {
            return Err(format!("{field} is not a field that can be queried"));
        }
        let operator = if self.keyword("IN") {
            Operator::In
        } else if self.keyword("NOT") {
            if !self.keyword("IN") {
                return Err("expected IN after NOT in the query".to_owned());
            }
            Operator::NotIn
        } else {
            match self.next()? {
                Token::Operator(operator) => operator,
                token => return Err(format!("expected an operator in the query, found {token:?}")),
            }
        };
        let operands = match operator {
            Operator::In | Operator::NotIn => self.list()?,
            _ => vec![self.value()?],
        };
        Ok(Query::Compare { field, operator, operands })
    }

    fn list(&mut self) -> Result<Vec<Value>, String> {
        if self.next()? != Token::Open {
            return Err("expected a list in parentheses in the query".to_owned());
        }
        let mut values = vec![self.value()?];
        loop {
            match self.next()? {
                Token::Comma => values.push(self.value()?),
                Token::Close => return Ok(values),
                token => return Err(format!("expected , or ) in the query, found {token:?}")),
            }
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.next()? {
            Token::Quoted(text) => Ok(Value::Text(text)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(Value::Null),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            Token::Word(word) => match (word.parse(), time(&word)) {
                (Ok(number), _) => Ok(Value::Number(number)),
                (_, Some(time)) => Ok(Value::Time(time)),
                _ => Err(format!("{word} is neither quoted nor a number nor a date")),
            },
            token => Err(format!("expected a value in the query, found {token:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Web;

    const FIELDS: &[&str] = &["name", "project.key", "updated_on", "id", "is_private", "parent"];

    impl Row for Web {
        fn field(&self, name: &str) -> Option<Value> {
            Some(match name {
                "name" => Value::Text("Web-Shop".into()),
                "project.key" => Value::Text("PAY".into()),
                "updated_on" => Value::Time("2026-03-01T12:00:00.5Z".parse().unwrap()),
                "id" => Value::Number(42),
                "is_private" => Value::Bool(true),
                _ => Value::Null,
            })
        }
    }

    #[track_caller]
    fn check(query: &str, expected: bool) {
        assert_eq!(Query::parse(query, FIELDS).unwrap().holds(&Web), expected, "{query}");
    }

    #[track_caller]
    fn refused(query: &str) {
        assert!(Query::parse(query, FIELDS).is_err(), "{query}");
    }

    #[test]
    fn compares() {
        check(r#"name = "Web-Shop""#, true);
        check(r#"name="web-shop""#, false);
        check(r#"name != "x""#, true);
        check(r#"name ~ "SHOP""#, true);
        check(r#"name !~ "shop""#, false);
        check("id > 41 AND id < 43", true);
        check("id >= 43 OR id <= 41", false);
        check("is_private = true", true);
        check("parent = null", true);
        check("parent != null", false);
        check(r#"project.key IN ("OPS", "PAY")"#, true);
        check(r#"project.key NOT IN ("OPS","PAY")"#, false);
    }

    #[test]
    fn compares_dates_as_instants() {
        check("updated_on > 2026-03-01", true);
        check("updated_on >= 2026-03-01T12:00:00.500000+00:00", true);
        check("updated_on > 2026-03-01T12:00:00.500000", false);
        check(r#"updated_on >= "2026-03-01T14:00:00+02:00""#, true);
        check(r#"updated_on < "2026-03-01T12:00:01Z""#, true);
    }

    #[test]
    fn and_binds_closer_than_or() {
        check(r#"id = 42 OR id = 1 AND name = "no""#, true);
        check(r#"(id = 42 OR id = 1) AND name = "no""#, false);
        check(r#"id=42 and (name="no" or (project.key="PAY"))"#, true);
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        refused("");
        refused("slug = \"x\"");
        refused("name");
        refused("name = ");
        refused("name = \"open");
        refused("name = bare");
        refused("(id = 1");
        refused("id = 1 id = 2");
        refused("id ! 1");
        refused("id IN 1");
        // A plus that was not encoded arrives as a space.
        refused("updated_on > 2026-03-01T12:00:00 00:00");
    }
}
