-- allow_long_statements: Lets each statement of this transaction run for 15 minutes: tens of millions of users are read.
set local statement_timeout = '15min'
