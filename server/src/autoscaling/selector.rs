//! Label selectors as they stand in a URL:
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>.

use kube::core::{Expression, Selector};

/// `None` when it is none.
pub fn parse(text: &str) -> Option<Selector> {
    requirements(text).into_iter().map(requirement).collect::<Option<Vec<_>>>().map(Selector::from_iter)
}

/// The parts between commas, but for the commas in brackets.
fn requirements(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn requirement(text: &str) -> Option<Expression> {
    if let Some(key) = text.strip_prefix('!') {
        return Some(Expression::DoesNotExist(name(key)?));
    }
    if let Some((key, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values = values.split(',').map(value).collect::<Option<_>>()?;
        let (key, operator) = key.trim().rsplit_once(' ')?;
        return match operator {
            "in" => Some(Expression::In(name(key)?, values)),
            "notin" => Some(Expression::NotIn(name(key)?, values)),
            _ => None,
        };
    }
    if let Some((key, wanted)) = text.split_once("!=") {
        return Some(Expression::NotEqual(name(key)?, value(wanted)?));
    }
    if let Some((key, wanted)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Expression::Equal(name(key)?, value(wanted)?));
    }
    Some(Expression::Exists(name(text)?))
}

fn name(text: &str) -> Option<String> {
    value(text).filter(|name| !name.is_empty())
}

fn value(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |character: char| !character.is_whitespace() && !"()=!,".contains(character);
    text.chars().all(is_plain).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt;

    use super::*;

    #[test]
    fn each_form_selects_what_it_says() {
        let labels = BTreeMap::from([("model".to_owned(), "smollm2:135m".to_owned())]);
        let matching = ["", "model", "model=smollm2:135m", "model == smollm2:135m", "model in (a,smollm2:135m)", "!a"];
        for text in [&matching[..], &["a!=b", "model notin (a, b)", "model,a!=b,model in (smollm2:135m,c)"]].concat() {
            assert!(parse(text).unwrap().matches(&labels), "{text}");
        }
        for text in ["a", "model=a", "model!=smollm2:135m", "model in (a,b)", "!model", "model,a=b"] {
            assert!(!parse(text).unwrap().matches(&labels), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["a b", "model within (a)", "=a", "! ", "model in (a", "a=b)"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
