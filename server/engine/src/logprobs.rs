//! How likely a token was, as the model sees it: before temperature, penalties and grammars.

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

use crate::protocol::TokenLogprob;

/// Of `token` and of the `top` likeliest in its place. `logits` has one number for each token of the vocabulary.
pub fn logprob(token: LlamaToken, logits: &[f32], top: usize, vocab: &LlamaVocab<'_>) -> TokenLogprob {
    let normaliser = log_sum_exp(logits);
    let of = |token: usize| TokenLogprob {
        bytes: vocab.token_to_piece(LlamaToken(token as i32), true, None),
        logprob: logits[token] - normaliser,
        top: Vec::new(),
    };
    TokenLogprob { top: likeliest(logits, top).into_iter().map(of).collect(), ..of(token.0 as usize) }
}

/// What the logits of all tokens lack to being logarithms of probabilities.
pub fn log_sum_exp(logits: &[f32]) -> f32 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // In f64, because a vocabulary has a hundred thousand small summands.
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - greatest).exp()).sum();
    greatest + sum.ln() as f32
}

/// The indices of the `count` greatest, the greatest first.
fn likeliest(logits: &[f32], count: usize) -> Vec<usize> {
    let by_logit = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
    let mut tokens: Vec<usize> = (0..logits.len()).collect();
    if count == 0 || tokens.is_empty() {
        return Vec::new();
    }
    if count < tokens.len() {
        tokens.select_nth_unstable_by(count - 1, by_logit);
        tokens.truncate(count);
    }
    tokens.sort_unstable_by(by_logit);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_to_one() {
        let logits = [1.0, -2.0, 3.5, 100.0, 99.5];
        let normaliser = log_sum_exp(&logits);
        let sum: f32 = logits.iter().map(|logit| (logit - normaliser).exp()).sum();
        // An f32 near 100 is exact to about 1e-5.
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    #[test]
    fn the_likeliest_come_in_order_and_are_no_more_than_there_are() {
        let logits = [0.5, 3.0, -1.0, 2.0];
        assert_eq!(likeliest(&logits, 0), Vec::<usize>::new());
        assert_eq!(likeliest(&logits, 2), [1, 3]);
        assert_eq!(likeliest(&logits, 9), [1, 3, 0, 2]);
    }
}
