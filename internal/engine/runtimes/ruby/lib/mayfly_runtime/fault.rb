# frozen_string_literal: true

require 'json'

module MayflyRuntime
  # An error as the caller and the log get it.
  class Fault < StandardError
    HERE = "#{__dir__}/"
    MOST = 100 # lines of a trace

    attr_reader :kind, :critical

    # critical: the process must not serve again.
    def initialize(error, phase, critical: false)
      super(error.message)
      @kind = "#{phase}<#{error.class}>"
      @critical = critical
      @trace = (error.backtrace || []).first(MOST).take_while { |line| !line.start_with?(HERE) }
    end

    def to_h
      { errorMessage: text(message), errorType: @kind, stackTrace: @trace.map { |line| text(line) } }
    end

    def to_json(*) = JSON.generate(to_h)

    private

    def text(string) = string.to_s.encode('UTF-8', invalid: :replace, undef: :replace)
  end
end
