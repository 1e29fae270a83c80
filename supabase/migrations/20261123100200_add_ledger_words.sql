-- Words the next migrations use: PostgreSQL lets nobody use a new value of an enum in the transaction
-- that adds it.

alter type private.credit_account add value 'user_debt';
alter type private.credit_account add value 'partner_debt';
comment on type private.credit_account is
  'Kinds of account. issued, spent and written_off are the system''s: without id and balance row, so that nothing waits for them. user_debt and partner_debt carry the id of who owes.';

alter type private.credit_movement_kind add value 'purchase_reinstatement';
alter type private.credit_movement_kind add value 'reward_reversal';
alter type private.credit_movement_kind add value 'debt_payment';
comment on type private.credit_movement_kind is
  'Why credits moved. adjustment: a correction by staff, in either direction. return: from an event back to whoever paid for it. purchase_reinstatement: a reversal that was itself taken back. debt_payment: what an incoming movement pays first. erasure: what an erased person left behind.';
