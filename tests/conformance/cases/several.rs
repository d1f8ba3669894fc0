//! Cases of several limits at once.

use super::make::{BUCKET, FIXED, LOG, SLIDING, ask, take, told};
use super::{Ask, Case};

pub(super) static CASES: &[Case] = &[
    Case {
        name: "several limits: all or none, and each says its own",
        align_ms: 4000,
        steps: &[
            take(
                300,
                true,
                &[ask(&FIXED, 1), ask(&BUCKET, 4)],
                &[told(1, 4), told(1, 0)],
            ),
            take(
                500,
                false,
                &[ask(&FIXED, 1), ask(&BUCKET, 1)],
                &[told(1, 4), told(0, 0)],
            ),
            take(600, true, &[ask(&FIXED, 4)], &[told(1, 0)]),
        ],
    },
    Case {
        name: "several subjects: none is charged when one denies",
        align_ms: 4000,
        steps: &[
            take(
                100,
                true,
                &[ask(&FIXED, 5), OTHER_LOG, OTHER_SLIDING],
                &[told(1, 0), told(1, 3), told(1, 9)],
            ),
            // Later than a charge that may be given back is marked so.
            take(
                1500,
                false,
                &[ask(&FIXED, 1), OTHER_LOG, OTHER_SLIDING],
                &[told(0, 0), told(1, 3), told(1, 9)],
            ),
            take(
                1700,
                true,
                &[Ask {
                    cost: 3,
                    ..OTHER_LOG
                }],
                &[told(1, 0)],
            ),
        ],
    },
];

const OTHER_LOG: Ask = Ask {
    subject: "b",
    ..ask(&LOG, 1)
};
const OTHER_SLIDING: Ask = Ask {
    subject: "c",
    ..ask(&SLIDING, 1)
};
