# frozen_string_literal: true

require 'json'
require 'logger'

module MayflyRuntime
  # What functions print, and what loggers make of it.
  module Logs
    module_function

    def set_up
      $stdout.sync = $stderr.sync = true
      Logger.prepend(Patch)
    end

    def flush
      [$stdout, $stderr].each { |io| io.flush if io.respond_to?(:flush) }
    rescue IOError, SystemCallError
      nil # the function has closed it
    end

    # error logs why an invocation, or the start, failed.
    def error(message, fault)
      line = { errorMessage: fault.message, errorType: fault.kind, stackTrace: fault.to_h[:stackTrace] }
      if json?
        line = { timestamp: now, level: 'ERROR', message: message, requestId: $_global_aws_request_id }.compact.merge(line)
        $stdout.puts(JSON.generate(line))
      else
        $stdout.puts("#{message} #{JSON.generate(line)}")
      end
    end

    def json? = ENV['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'
    def now = Time.now.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ')

    # A logger to the console says which request it speaks of.
    module Patch
      def initialize(device = nil, *args, **options)
        to_console = device.nil? || device.equal?($stdout) || device.equal?($stderr)
        options[:level] ||= ENV['AWS_LAMBDA_LOG_LEVEL'].downcase if to_console && Logs.level?
        super(to_console ? $stdout : device, *args, **options)
        @default_formatter = Logs.json? ? Structured.new : Tagged.new if to_console
      end
    end

    def level? = %w[DEBUG INFO WARN ERROR FATAL].include?(ENV['AWS_LAMBDA_LOG_LEVEL'])

    # Text with the request's id, in the place where AWS's has it.
    class Tagged < Logger::Formatter
      def call(severity, time, program, message)
        format("%s, [%s #%d] %5s %s -- %s: %s\n", severity[0], format_datetime(time), Process.pid, severity,
               $_global_aws_request_id, program, msg2str(message)).encode('UTF-8', invalid: :replace, undef: :replace)
      end
    end

    # A JSON object a line.
    class Structured < Logger::Formatter
      def call(severity, time, program, message)
        line = { timestamp: time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ'), level: severity,
                 message: message.is_a?(Exception) ? message.message : msg2str(message),
                 requestId: $_global_aws_request_id, logger: program }
        if message.is_a?(Exception)
          line.update(errorType: message.class.to_s, errorMessage: message.message, stackTrace: Array(message.backtrace))
        end
        "#{JSON.generate(line.compact)}\n"
      end
    end
  end
end
