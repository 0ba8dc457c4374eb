# frozen_string_literal: true

module MayflyRuntime
  # A process that is started before it is known for which function.
  module Blank
    module_function

    # become waits for the assignment, and makes the process what it would be had it
    # been started with it.
    def become(link)
      env = link.assignment
      ENV.replace(env)
      paths = ENV.fetch('RUBYLIB', '').split(':')
      $LOAD_PATH.unshift(*paths.reject { |p| $LOAD_PATH.include?(p) })
      Gem.paths = ENV.to_h if defined?(Gem) # GEM_HOME and GEM_PATH
      Dir.chdir(ENV.fetch('LAMBDA_TASK_ROOT', '/var/task'))
    end
  end
end
